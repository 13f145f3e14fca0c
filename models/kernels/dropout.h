/* Dropout: which numbers it keeps follows from their place and a seed, so that a gradient finds it again. */

#ifndef RLM_DROPOUT
#define RLM_DROPOUT

#include <stdint.h>

/* Whether dropout keeps number i: 32 random bits of it (after Wellons 2018, "lowbias32") against a bound. */
static inline int is_kept(uint32_t i, uint32_t seed, uint32_t more, uint32_t bound) {
    uint32_t x = i ^ seed;
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = ((x ^ (x >> 15)) + more) * 0x846ca68bU;
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    return (x ^ (x >> 15)) >= bound;
}

/* A line of n numbers, of which `first` is the place of the first one: what is kept times a factor, else 0. */
static inline void drop(float *line, int64_t first, int64_t n, uint64_t seed, uint32_t bound, float factor) {
    uint32_t start = (uint32_t)first, low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
    if (bound)
        for (int64_t i = 0; i < n; i++)
            line[i] = is_kept(start + (uint32_t)i, low, high, bound) ? line[i] * factor : 0.0f;
}

#endif
