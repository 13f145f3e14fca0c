/* What training computes between matrix products, and its gradients, in one pass over memory each.

   fused.py has their formulas. Numbers are float32 or bfloat16, as a `format` says; every sum is in float32.
   Lines of `width` numbers follow each other in memory. The lines are divided among threads; a result does not
   depend on their number. */

#include <math.h>
#include <stdint.h>

#include "exponential.h"

enum { FLOAT32, BFLOAT16 };

static inline float widened(uint16_t bits) {
    union { uint32_t bits; float number; } wide = {.bits = (uint32_t)bits << 16};
    return wide.number;
}

static inline uint16_t narrowed(float number) { /* to the nearest, ties to even; what is no number stays none */
    union { float number; uint32_t bits; } wide = {.number = number};
    uint32_t rounded = (wide.bits + 0x7fff + ((wide.bits >> 16) & 1)) >> 16;
    return (wide.bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded;
}

static inline void load(float *restrict line, const void *restrict from, int64_t at, int64_t n, int format) {
    if (format == FLOAT32)
        for (int64_t i = 0; i < n; i++) line[i] = ((const float *)from)[at + i];
    else
        for (int64_t i = 0; i < n; i++) line[i] = widened(((const uint16_t *)from)[at + i]);
}

static inline void save(void *restrict to, int64_t at, const float *restrict line, int64_t n, int format) {
    if (format == FLOAT32)
        for (int64_t i = 0; i < n; i++) ((float *)to)[at + i] = line[i];
    else
        for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[at + i] = narrowed(line[i]);
}

static inline float scale_of(const float *line, int64_t n, float epsilon) {
    float squares = 0;
    for (int64_t i = 0; i < n; i++) squares += line[i] * line[i];
    return 1.0f / sqrtf(squares / n + epsilon);
}

/* The largest of n numbers, in columns: a compiler does not divide one maximum among the parts of a vector. */
static inline float largest(const float *line, int64_t n) {
    enum { COLUMNS = 16 };
    float most[COLUMNS], found = line[0];
    for (int64_t j = 0; j < COLUMNS; j++) most[j] = line[0];
    int64_t i = 0;
    for (; i + COLUMNS <= n; i += COLUMNS)
        for (int64_t j = 0; j < COLUMNS; j++) most[j] = line[i + j] > most[j] ? line[i + j] : most[j];
    for (; i < n; i++) found = line[i] > found ? line[i] : found;
    for (int64_t j = 0; j < COLUMNS; j++) found = most[j] > found ? most[j] : found;
    return found;
}

/* Turns the gradient of a normed line into that of the line: (g - n * mean(g * n)) * scale. */
static inline void through_norm(float *restrict gradient, const float *restrict line, int64_t n, float scale) {
    float product = 0;
    for (int64_t i = 0; i < n; i++) product += gradient[i] * line[i];
    float mean = product * scale / n;
    for (int64_t i = 0; i < n; i++) gradient[i] = (gradient[i] - line[i] * scale * mean) * scale;
}

#define LINES(COUNT) _Pragma("omp parallel for num_threads(threads) if (threads > 1)") for (int64_t at = 0; at < COUNT; at++)

void rlm_norm(void *out, int out_format, float *scales, const void *x, int format, const float *gain,
              int64_t lines, int64_t width, float epsilon, int threads) {
    LINES(lines) {
        float line[width];
        load(line, x, at * width, width, format);
        float scale = scales[at] = scale_of(line, width, epsilon);
        if (gain)
            for (int64_t i = 0; i < width; i++) line[i] *= scale * gain[i];
        else
            for (int64_t i = 0; i < width; i++) line[i] *= scale;
        save(out, at * width, line, width, out_format);
    }
}

/* of_gain (parts, width): the sum over each part of the lines. */
void rlm_norm_gradient(void *of_x, float *of_gain, const void *g, int g_format, const void *x, int format,
                       const float *scales, const float *gain, int64_t lines, int64_t width, int64_t parts, int threads) {
    LINES(parts) {
        float line[width], gradient[width];
        for (int64_t i = 0; gain && i < width; i++) of_gain[at * width + i] = 0;
        for (int64_t r = lines * at / parts; r < lines * (at + 1) / parts; r++) {
            load(line, x, r * width, width, format);
            load(gradient, g, r * width, width, g_format);
            if (gain)
                for (int64_t i = 0; i < width; i++) {
                    of_gain[at * width + i] += gradient[i] * line[i] * scales[r];
                    gradient[i] *= gain[i];
                }
            through_norm(gradient, line, width, scales[r]);
            save(of_x, r * width, gradient, width, format);
        }
    }
}

/* qkv (rows, tokens, 3, heads, width) to q, k and v (rows, heads, tokens, width): queries and keys normed where
   there are scales (rows, tokens, 2, heads), then rotated where there are cosines. */
void rlm_heads(void *q, void *k, void *v, float *scales, const void *qkv, int format, const float *cos,
               const float *sin, int64_t row_of_cos, int64_t rows, int64_t tokens, int64_t heads, int64_t width,
               float epsilon, int threads) {
    LINES(rows * tokens) {
        int64_t row = at / tokens, token = at % tokens, place = (row * row_of_cos + token) * width;
        float line[width], turned[width];
        for (int64_t part = 0; part < 3; part++)
            for (int64_t head = 0; head < heads; head++) {
                void *out = part == 0 ? q : part == 1 ? k : v;
                int64_t to = ((row * heads + head) * tokens + token) * width;
                load(line, qkv, ((at * 3 + part) * heads + head) * width, width, format);
                if (part == 2) {
                    save(out, to, line, width, format);
                    continue;
                }
                if (scales) {
                    float scale = scales[(at * 2 + part) * heads + head] = scale_of(line, width, epsilon);
                    for (int64_t i = 0; i < width; i++) line[i] *= scale;
                }
                if (cos) {
                    int64_t half = width / 2;
                    for (int64_t i = 0; i < half; i++) {
                        turned[i] = line[i] * cos[place + i] + line[i + half] * sin[place + i];
                        turned[i + half] = line[i + half] * cos[place + i + half] + line[i] * sin[place + i + half];
                    }
                }
                save(out, to, cos ? turned : line, width, format);
            }
    }
}

void rlm_heads_gradient(void *of_qkv, const void *of_q, const void *of_k, const void *of_v, const void *qkv,
                        int format, const float *scales, const float *cos, const float *sin, int64_t row_of_cos,
                        int64_t rows, int64_t tokens, int64_t heads, int64_t width, int threads) {
    LINES(rows * tokens) {
        int64_t row = at / tokens, token = at % tokens, place = (row * row_of_cos + token) * width;
        float line[width], gradient[width], turned[width];
        for (int64_t part = 0; part < 3; part++)
            for (int64_t head = 0; head < heads; head++) {
                const void *of = part == 0 ? of_q : part == 1 ? of_k : of_v;
                int64_t here = ((at * 3 + part) * heads + head) * width;
                load(gradient, of, ((row * heads + head) * tokens + token) * width, width, format);
                if (part < 2 && cos) {
                    int64_t half = width / 2;
                    for (int64_t i = 0; i < half; i++) {
                        turned[i] = gradient[i] * cos[place + i] + gradient[i + half] * sin[place + i + half];
                        turned[i + half] = gradient[i + half] * cos[place + i + half] + gradient[i] * sin[place + i];
                    }
                    for (int64_t i = 0; i < width; i++) gradient[i] = turned[i];
                }
                if (part < 2 && scales) {
                    load(line, qkv, here, width, format);
                    through_norm(gradient, line, width, scales[(at * 2 + part) * heads + head]);
                }
                save(of_qkv, here, gradient, width, format);
            }
    }
}

/* up (lines, 2 * width) to out (lines, width): silu of the first half times the second. */
void rlm_swiglu(void *out, const void *up, int format, int64_t lines, int64_t width, int threads) {
    LINES(lines) {
        float gate[width], value[width];
        load(gate, up, 2 * at * width, width, format);
        load(value, up, (2 * at + 1) * width, width, format);
        for (int64_t i = 0; i < width; i++) value[i] *= gate[i] / (1.0f + exponential(-gate[i]));
        save(out, at * width, value, width, format);
    }
}

void rlm_swiglu_gradient(void *of_up, const void *g, const void *up, int format, int64_t lines, int64_t width,
                         int threads) {
    LINES(lines) {
        float gate[width], value[width], gradient[width];
        load(gate, up, 2 * at * width, width, format);
        load(value, up, (2 * at + 1) * width, width, format);
        load(gradient, g, at * width, width, format);
        for (int64_t i = 0; i < width; i++) {
            float open = 1.0f / (1.0f + exponential(-gate[i])), silu = gate[i] * open;
            float of_gate = gradient[i] * value[i] * (open + silu * (1.0f - open));
            value[i] = gradient[i] * silu;
            gate[i] = of_gate;
        }
        save(of_up, 2 * at * width, gate, width, format);
        save(of_up, (2 * at + 1) * width, value, width, format);
    }
}

/* Scores (matrices, width, width) to the shares of each query over the keys up to its own place. */
void rlm_causal_softmax(void *out, const void *scores, int format, int64_t matrices, int64_t width, float factor,
                        int threads) {
    LINES(matrices * width) {
        int64_t seen = at % width + 1;
        float line[width], sum = 0;
        load(line, scores, at * width, seen, format);
        float most = largest(line, seen);
        for (int64_t i = 0; i < seen; i++) {
            line[i] = exponential((line[i] - most) * factor);
            sum += line[i];
        }
        float share = 1.0f / sum;
        for (int64_t i = 0; i < seen; i++) line[i] *= share;
        for (int64_t i = seen; i < width; i++) line[i] = 0;
        save(out, at * width, line, width, format);
    }
}

void rlm_causal_softmax_gradient(void *of_scores, const void *g, const void *shares, int format, int64_t matrices,
                                 int64_t width, float factor, int threads) {
    LINES(matrices * width) {
        int64_t seen = at % width + 1;
        float line[width], gradient[width], product = 0;
        load(line, shares, at * width, seen, format);
        load(gradient, g, at * width, seen, format);
        for (int64_t i = 0; i < seen; i++) product += line[i] * gradient[i];
        for (int64_t i = 0; i < seen; i++) gradient[i] = line[i] * (gradient[i] - product) * factor;
        for (int64_t i = seen; i < width; i++) gradient[i] = 0;
        save(of_scores, at * width, gradient, width, format);
    }
}

/* Whether dropout keeps number i: 32 random bits of it (after Wellons 2018, "lowbias32") against a bound. */
static inline int is_kept(uint32_t i, uint32_t seed, uint32_t more, uint32_t bound) {
    uint32_t x = i ^ seed;
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = ((x ^ (x >> 15)) + more) * 0x846ca68bU;
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    return (x ^ (x >> 15)) >= bound;
}

/* out = x + y * kept * factor. */
void rlm_add_dropped(void *out, const void *x, int format, const void *y, int y_format, int64_t lines, int64_t width,
                     uint64_t seed, uint32_t bound, float factor, int threads) {
    LINES(lines) {
        float line[width], change[width];
        load(line, x, at * width, width, format);
        load(change, y, at * width, width, y_format);
        uint32_t first = (uint32_t)(at * width), low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
        for (int64_t i = 0; i < width; i++)
            line[i] += is_kept(first + (uint32_t)i, low, high, bound) ? change[i] * factor : 0.0f;
        save(out, at * width, line, width, format);
    }
}

void rlm_dropped_gradient(void *of_y, int y_format, const void *g, int format, int64_t lines, int64_t width,
                          uint64_t seed, uint32_t bound, float factor, int threads) {
    LINES(lines) {
        float line[width];
        load(line, g, at * width, width, format);
        uint32_t first = (uint32_t)(at * width), low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
        for (int64_t i = 0; i < width; i++)
            line[i] = is_kept(first + (uint32_t)i, low, high, bound) ? line[i] * factor : 0.0f;
        save(of_y, at * width, line, width, y_format);
    }
}
