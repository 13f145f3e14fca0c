/* A change that is added to a state, with dropout, and the norm of the sum: in one pass, and so is their gradient.

   residual.py has the formulas. States and changes are lines of float32 or bfloat16 numbers; every sum is in float32.
   A pointer to what is missing is NULL. */

#include <stddef.h>

#include "dropout.h"
#include "lines.h"
#include "rms.h"

typedef struct {
    int64_t lines, width;
    int format, change_format, normed_format; /* of the state, of the change, and of the norm */
    int centred;                               /* whether the mean is taken away: layer norm, else RMS norm */
    float epsilon;
    uint64_t seed; /* of dropout, as in dropout.h */
    uint32_t bound;
    float factor;
} residual;

/* x, y and y_bias (width,): x + dropout(y + y_bias) to sum, and its norm to normed, and to normed_wide in the format
   of x. scales (lines, 2): the mean, and what a norm is scaled by. Without scales, the sum itself to normed. */
void rlm_residual(void *sum, void *normed, void *normed_wide, float *scales, const void *x, const void *y,
                  const float *y_bias, const float *gain, const float *bias, const residual *of, int threads) {
    int64_t width = of->width;
    LINES(of->lines) {
        float line[width], change[width], mean = 0;
        load(line, x, at * width, width, of->format);
        if (y) {
            load(change, y, at * width, width, of->change_format);
            if (y_bias)
                for (int64_t i = 0; i < width; i++) change[i] += y_bias[i];
            drop(change, at * width, width, of->seed, of->bound, of->factor);
            for (int64_t i = 0; i < width; i++) line[i] += change[i];
        }
        if (sum) save(sum, at * width, line, width, of->format);
        if (!scales) { /* no norm: a copy in another format */
            if (normed) save(normed, at * width, line, width, of->normed_format);
            continue;
        }
        if (of->centred) {
            for (int64_t i = 0; i < width; i++) mean += line[i];
            mean /= width;
            for (int64_t i = 0; i < width; i++) line[i] -= mean;
        }
        float scale = inverse_rms(line, width, of->epsilon);
        scales[2 * at] = mean, scales[2 * at + 1] = scale;
        for (int64_t i = 0; i < width; i++) line[i] *= scale;
        if (gain)
            for (int64_t i = 0; i < width; i++) line[i] *= gain[i];
        if (bias)
            for (int64_t i = 0; i < width; i++) line[i] += bias[i];
        if (normed) save(normed, at * width, line, width, of->normed_format);
        if (normed_wide) save(normed_wide, at * width, line, width, of->format);
    }
}

/* Adds the gradient of the norm of a line to that of the line itself, and to those of gain and bias. */
static inline void add_through_norm(float *restrict gradient, float *restrict of_normed, float *restrict line,
                                    const float *scales, const float *gain, float *of_gain, float *of_bias,
                                    const residual *of) {
    int64_t width = of->width;
    float mean = scales[0], scale = scales[1], product = 0, sum = 0;
    for (int64_t i = 0; i < width; i++) line[i] = (line[i] - mean) * scale;
    if (of_bias)
        for (int64_t i = 0; i < width; i++) of_bias[i] += of_normed[i];
    if (gain)
        for (int64_t i = 0; i < width; i++) {
            of_gain[i] += of_normed[i] * line[i];
            of_normed[i] *= gain[i];
        }
    for (int64_t i = 0; i < width; i++) product += of_normed[i] * line[i];
    for (int64_t i = 0; of->centred && i < width; i++) sum += of_normed[i];
    product /= width, sum /= width;
    for (int64_t i = 0; i < width; i++) gradient[i] += (of_normed[i] - line[i] * product - sum) * scale;
}

/* g, g_normed and g_wide: the gradients of sum, normed and normed_wide. x: the sum. of_all (parts, 3, width): the
   gradients of gain, bias and y_bias, each over a part of the lines. */
void rlm_residual_gradient(void *of_x, void *of_y, float *of_all, const void *g, const void *g_normed,
                           const void *g_wide, const void *x, const float *scales, const float *gain,
                           const float *bias, const float *y_bias, const residual *of, int64_t parts, int threads) {
    int64_t width = of->width;
    LINES(parts) {
        float line[width], gradient[width], of_normed[width];
        float *of_gain = of_all + 3 * at * width, *of_bias = of_gain + width, *of_change = of_bias + width;
        for (int64_t i = 0; of_all && i < 3 * width; i++) of_gain[i] = 0;
        for (int64_t r = of->lines * at / parts; r < of->lines * (at + 1) / parts; r++) {
            if (g)
                load(gradient, g, r * width, width, of->format);
            else
                for (int64_t i = 0; i < width; i++) gradient[i] = 0;
            if (g_normed || g_wide) {
                if (scales) load(line, x, r * width, width, of->format);
                if (g_normed)
                    load(of_normed, g_normed, r * width, width, of->normed_format);
                else
                    for (int64_t i = 0; i < width; i++) of_normed[i] = 0;
                if (g_wide) {
                    float more[width];
                    load(more, g_wide, r * width, width, of->format);
                    for (int64_t i = 0; i < width; i++) of_normed[i] += more[i];
                }
                if (scales)
                    add_through_norm(gradient, of_normed, line, scales + 2 * r, gain, of_gain, bias ? of_bias : NULL, of);
                else
                    for (int64_t i = 0; i < width; i++) gradient[i] += of_normed[i];
            }
            save(of_x, r * width, gradient, width, of->format);
            if (!of_y) continue;
            drop(gradient, r * width, width, of->seed, of->bound, of->factor);
            if (y_bias)
                for (int64_t i = 0; i < width; i++) of_change[i] += gradient[i];
            save(of_y, r * width, gradient, width, of->change_format);
        }
    }
}
