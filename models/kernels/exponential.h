#ifndef RLM_EXPONENTIAL
#define RLM_EXPONENTIAL

#include <stdint.h>

/* e to the power of x, to the last bits of a float. Unlike expf, a compiler can compute it for many numbers at once.
   x = n log 2 + r with r within half of log 2, and a polynomial for e to the power of r. */
static inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float n = __builtin_rintf(x * 1.44269504f), r = x - n * 0.693145752f - n * 1.42860677e-6f;
    float p = 8.33333333e-3f + r * 1.38888889e-3f;
    p = 1.0f + r * (1.0f + r * (0.5f + r * (1.66666667e-1f + r * (4.16666667e-2f + r * p))));
    union { int32_t bits; float number; } power = {.bits = ((int32_t)n + 127) << 23};
    return p * power.number;
}

#endif
