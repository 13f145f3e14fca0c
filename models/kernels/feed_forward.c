/* What feed-forward networks compute between their two matrix products, and the gradients of that.

   feed_forward.py has the formulas. A bias (NULL where there is none) is added first. Numbers are float32 or bfloat16,
   and computed with in float32. */

#include <stddef.h>

#include "exponential.h"
#include "lines.h"

/* P(x), by a rational function for the error function (that of the Eigen library), which is 1 from 4 on. */
static inline float normal(float x) {
    float y = x * 0.70710678f;
    y = y < -4.0f ? -4.0f : y > 4.0f ? 4.0f : y;
    float s = y * y, p = 2.77068142495902e-08f + s * -2.72614225801306e-10f;
    p = -5.69250639462346e-05f + s * (-2.10102402082508e-06f + s * p);
    p = -1.60960333262415e-02f + s * (-2.95459980854025e-03f + s * (-7.34990630326855e-04f + s * p));
    float q = -2.13374055278905e-04f + s * -1.45660718464996e-05f;
    q = -1.42647390514189e-02f + s * (-7.37332916720468e-03f + s * (-1.68282697438203e-03f + s * q));
    return 0.5f + 0.5f * y * p / q;
}

/* Both halves of a line of up (lines, 2 * width). */
static inline void load_pair(float *restrict gate, float *restrict value, const void *up, int format, const float *bias,
                             int64_t line, int64_t width) {
    load(gate, up, 2 * line * width, width, format);
    load(value, up, (2 * line + 1) * width, width, format);
    if (bias)
        for (int64_t i = 0; i < width; i++) gate[i] += bias[i], value[i] += bias[width + i];
}

/* x * P(x) of x = up + bias, both (lines, width). */
void rlm_gelu(void *out, const void *up, int format, const float *bias, int64_t lines, int64_t width, int threads) {
    LINES(lines) {
        float line[width];
        load(line, up, at * width, width, format);
        if (bias)
            for (int64_t i = 0; i < width; i++) line[i] += bias[i];
        for (int64_t i = 0; i < width; i++) line[i] *= normal(line[i]);
        save(out, at * width, line, width, format);
    }
}

/* of_bias (parts, width): the sum over each part of the lines. */
void rlm_gelu_gradient(void *of_up, float *of_bias, const void *g, const void *up, int format, const float *bias,
                       int64_t lines, int64_t width, int64_t parts, int threads) {
    LINES(parts) {
        float line[width], gradient[width], *sums = of_bias + at * width;
        for (int64_t i = 0; bias && i < width; i++) sums[i] = 0;
        for (int64_t r = lines * at / parts; r < lines * (at + 1) / parts; r++) {
            load(line, up, r * width, width, format);
            load(gradient, g, r * width, width, format);
            if (bias)
                for (int64_t i = 0; i < width; i++) line[i] += bias[i];
            for (int64_t i = 0; i < width; i++) {
                float x = line[i];
                gradient[i] *= normal(x) + x * exponential(-0.5f * x * x) * 0.39894228f;
            }
            if (bias)
                for (int64_t i = 0; i < width; i++) sums[i] += gradient[i];
            save(of_up, r * width, gradient, width, format);
        }
    }
}

/* up (lines, 2 * width), plus a bias, to out (lines, width): silu of the first half times the second. */
void rlm_swiglu(void *out, const void *up, int format, const float *bias, int64_t lines, int64_t width, int threads) {
    LINES(lines) {
        float gate[width], value[width];
        load_pair(gate, value, up, format, bias, at, width);
        for (int64_t i = 0; i < width; i++) value[i] *= gate[i] / (1.0f + exponential(-gate[i]));
        save(out, at * width, value, width, format);
    }
}

/* of_bias (parts, 2 * width): the sum over each part of the lines. */
void rlm_swiglu_gradient(void *of_up, float *of_bias, const void *g, const void *up, int format, const float *bias,
                         int64_t lines, int64_t width, int64_t parts, int threads) {
    LINES(parts) {
        float gate[width], value[width], gradient[width], *sums = of_bias + 2 * at * width;
        for (int64_t i = 0; bias && i < 2 * width; i++) sums[i] = 0;
        for (int64_t r = lines * at / parts; r < lines * (at + 1) / parts; r++) {
            load_pair(gate, value, up, format, bias, r, width);
            load(gradient, g, r * width, width, format);
            for (int64_t i = 0; i < width; i++) {
                float open = 1.0f / (1.0f + exponential(-gate[i])), silu = gate[i] * open;
                float of_gate = gradient[i] * value[i] * (open + silu * (1.0f - open));
                value[i] = gradient[i] * silu;
                gate[i] = of_gate;
            }
            if (bias)
                for (int64_t i = 0; i < width; i++) sums[i] += gate[i], sums[width + i] += value[i];
            save(of_up, 2 * r * width, gate, width, format);
            save(of_up, (2 * r + 1) * width, value, width, format);
        }
    }
}
