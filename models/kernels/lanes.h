/* Numbers that one instruction computes, unless the compiler is told another number. */

#ifndef RLM_LANES
#define RLM_LANES

#ifndef LANES
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#endif
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#endif
