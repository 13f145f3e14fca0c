#ifndef RLM_HIGHEST
#define RLM_HIGHEST

#include <math.h>
#include <stdint.h>

/* The highest of values (n,), of which NaN is none. A compiler makes vectors of 16 maxima, but not of one. */
static inline float highest_of(const float *values, int64_t n) {
    float most[16], highest = -INFINITY;
    for (int j = 0; j < 16; j++) most[j] = -INFINITY;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) most[j] = values[i + j] > most[j] ? values[i + j] : most[j];
    for (; i < n; i++) highest = values[i] > highest ? values[i] : highest;
    for (int j = 0; j < 16; j++) highest = most[j] > highest ? most[j] : highest;
    return highest;
}

#endif
