/* The norm of a line by its root mean square. */

#ifndef RLM_RMS
#define RLM_RMS

#include <math.h>
#include <stdint.h>

/* What scales a line of n numbers to a root mean square of 1. */
static inline float inverse_rms(const float *line, int64_t n, float epsilon) {
    float squares = 0;
    for (int64_t i = 0; i < n; i++) squares += line[i] * line[i];
    return 1.0f / sqrtf(squares / n + epsilon);
}

/* Turns the gradient of a normed line into that of the line: (g - n * mean(g * n)) * scale. */
static inline void through_rms_norm(float *restrict gradient, const float *restrict line, int64_t n, float scale) {
    float product = 0;
    for (int64_t i = 0; i < n; i++) product += gradient[i] * line[i];
    float mean = product * scale / n;
    for (int64_t i = 0; i < n; i++) gradient[i] = (gradient[i] - line[i] * scale * mean) * scale;
}

#endif
