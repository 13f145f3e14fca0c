/* Lines of numbers in memory, float32 or bfloat16, that are computed with in float32, and the loop over them. */

#ifndef RLM_LINES
#define RLM_LINES

#include <stdint.h>

enum { FLOAT32, BFLOAT16 };

static inline float widened(uint16_t bits) {
    union { uint32_t bits; float number; } wide = {.bits = (uint32_t)bits << 16};
    return wide.number;
}

static inline uint16_t narrowed(float number) { /* to the nearest, ties to even; NaN stays NaN */
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

/* A loop over the numbers `at` of COUNT lines, which are divided among `threads` threads. */
#define LINES(COUNT) \
    _Pragma("omp parallel for num_threads(threads) if (threads > 1)") for (int64_t at = 0; at < COUNT; at++)

#endif
