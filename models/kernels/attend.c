/* Keys and values of the cache: those of new tokens are added, and each new token looks at those of its row. */

#include <math.h>
#include <string.h>

#include "exponential.h"
#include "highest.h"
#include "operation.h"

static float *of_head(float *cache, const int64_t *strides, int64_t slot, int64_t row, int64_t head) {
    return cache + slot * strides[0] + row * strides[1] + head * strides[2];
}

/* Keys a and values b (rows, heads, width) of the new tokens, into their slot. sizes: rows, heads, width of keys,
   width of values. */
void rlm_store(const operation *op, const state *now) {
    int64_t heads = op->sizes[1], width = op->sizes[2], value_width = op->sizes[3];
    for (int64_t r = 0; r < op->sizes[0]; r++)
        for (int64_t h = 0; h < heads; h++) {
            float *key = of_head(now->keys, now->key_strides, op->slot, r, h);
            float *value = of_head(now->values, now->value_strides, op->slot, r, h);
            memcpy(key + now->length * width, (float *)op->a.data + r * op->a.strides[0] + h * op->a.strides[1],
                   width * sizeof(float));
            memcpy(value + now->length * value_width,
                   (float *)op->b.data + r * op->b.strides[0] + h * op->b.strides[1], value_width * sizeof(float));
        }
}

static lanes loaded(const float *from) { return *(const lanes *)from; }

#if LANES == 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif LANES == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#endif
#ifdef __clang__
#define PICK(...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t places __attribute__((vector_size(4 * LANES)));
#define PICK(...) __builtin_shuffle(a, b, (places){__VA_ARGS__})
#endif

/* The sums of neighbours: those of a, then those of b. */
static inline lanes folded(lanes a, lanes b) { return PICK(EVEN) + PICK(ODD); }

/* The products of a query's and a key's numbers (width,), at least LANES, to be added up. `rest` has the query's
   numbers after the last whole LANES, with zeros before them. */
static inline lanes products_1(const float *query, lanes rest, const float *key, int64_t width) {
    lanes sums = {0};
    if (width % LANES) sums += rest * loaded(key + width - LANES);
    for (int64_t i = 0; i + LANES <= width; i += LANES) sums += loaded(query + i) * loaded(key + i);
    return sums;
}

/* The same of COUNT keys after each other, folded to LANES numbers. */
#define PRODUCTS(COUNT, HALF)                                                                                 \
    static inline lanes products_##COUNT(const float *query, lanes rest, const float *keys, int64_t width) {  \
        lanes first = products_##HALF(query, rest, keys, width);                                              \
        return folded(first, products_##HALF(query, rest, keys + HALF * width, width));                       \
    }
PRODUCTS(2, 1)
PRODUCTS(4, 2)
#if LANES >= 8
PRODUCTS(8, 4)
#endif
#if LANES == 16
PRODUCTS(16, 8)
#define products products_16
#elif LANES == 8
#define products products_8
#else
#define products products_4
#endif

/* scores (count,): the products of a query (width,) and keys (count, width). */
static void score(const float *query, const float *keys, int64_t width, int64_t count, float *scores) {
    if (width < LANES || count < LANES) {
        for (int64_t t = 0; t < count; t++) {
            float sum = 0;
            for (int64_t i = 0; i < width; i++) sum += query[i] * keys[t * width + i];
            scores[t] = sum;
        }
        return;
    }
    float rest[LANES] = {0};
    for (int64_t i = width / LANES * LANES; i < width; i++) rest[LANES - width + i] = query[i];
    for (int64_t t = 0; t < count; t += LANES) {
        int64_t start = t + LANES <= count ? t : count - LANES; /* the last ones may be computed twice */
        *(lanes *)(scores + start) = products(query, loaded(rest), keys + start * width, width);
    }
}

/* y = the sum of values (count, width) times weights (count,), over PANELS times LANES numbers or up to the end:
   the last of them may be computed twice. */
#define WEIGH(PANELS, AT_ONCE)                                                                                \
    static void weigh_##PANELS(float *restrict y, const float *restrict values, const float *restrict weights,  \
                               int64_t width, int64_t count, const int64_t *places) {                         \
        lanes sums[AT_ONCE][PANELS];                                                                          \
        for (int s = 0; s < AT_ONCE; s++)                                                                     \
            for (int p = 0; p < PANELS; p++) sums[s][p] = (lanes){0};                                         \
        int64_t t = 0;                                                                                        \
        for (; t + AT_ONCE <= count; t += AT_ONCE)                                                            \
            for (int s = 0; s < AT_ONCE; s++)                                                                 \
                for (int p = 0; p < PANELS; p++)                                                              \
                    sums[s][p] += weights[t + s] * loaded(values + (t + s) * width + places[p]);              \
        for (; t < count; t++)                                                                                \
            for (int p = 0; p < PANELS; p++) sums[0][p] += weights[t] * loaded(values + t * width + places[p]);  \
        for (int p = 0; p < PANELS; p++) {                                                                    \
            for (int s = 1; s < AT_ONCE; s++) sums[0][p] += sums[s][p];                                       \
            *(lanes *)(y + places[p]) = sums[0][p];                                                           \
        }                                                                                                     \
    }
WEIGH(1, 8)
WEIGH(2, 4)
WEIGH(3, 3)
WEIGH(4, 2)

/* y (width,) = weights (count,) times values (count, width). */
static void weigh(float *y, const float *values, const float *weights, int64_t width, int64_t count) {
    if (width < LANES) {
        for (int64_t i = 0; i < width; i++) y[i] = 0;
        for (int64_t t = 0; t < count; t++)
            for (int64_t i = 0; i < width; i++) y[i] += weights[t] * values[t * width + i];
        return;
    }
    for (int64_t start = 0; start < width; start += 4 * LANES) {
        int64_t places[4], panels = 0;
        for (int64_t i = start; i < width && panels < 4; i += LANES)
            places[panels++] = i + LANES <= width ? i : width - LANES;
        (panels == 1 ? weigh_1 : panels == 2 ? weigh_2 : panels == 3 ? weigh_3 : weigh_4)(y, values, weights, width,
                                                                                          count, places);
    }
}

/* scores (count,) become their softmax times their sum, which it returns. */
static float exponentials(float *restrict scores, int64_t count, float scale) {
    float most = highest_of(scores, count), sum = 0;
    for (int64_t t = 0; t < count; t++) {
        scores[t] = exponential((scores[t] - most) * scale);
        sum += scores[t];
    }
    return sum;
}

/* Ask for the first numbers of a long run: the processor itself asks for more only after some have been read. */
static void ask_for_first(const float *run) {
    for (int64_t line = 0; line < 8; line++) __builtin_prefetch(run + 16 * line, 0, 2);
}

/* One row and head. */
static void attend_by_head(const operation *op, const state *now, int64_t r, int64_t h, float *scores) {
    int64_t width = op->sizes[2], value_width = op->sizes[3], first = now->pads[r], count = now->length + 1 - first;
    const float *query = (float *)op->a.data + r * op->a.strides[0] + h * op->a.strides[1];
    const float *keys = of_head(now->keys, now->key_strides, op->slot, r, h) + first * width;
    const float *values = of_head(now->values, now->value_strides, op->slot, r, h) + first * value_width;
    float *restrict y = (float *)op->out.data + r * op->out.strides[0] + h * op->out.strides[1];
    ask_for_first(values);
    score(query, keys, width, count, scores);
    ask_for_first(keys + now->key_strides[2]); /* those of the next head, which may be in the next row */
    float sum = exponentials(scores, count, op->value);
    weigh(y, values, scores, value_width, count);
    for (int64_t i = 0; i < value_width; i++) y[i] /= sum;
}

/* out (rows, heads, value width) of the queries a (rows, heads, width) over a slot. sizes as in rlm_store. */
void rlm_attend(const operation *op, const state *now) {
    int64_t heads = op->sizes[1], count = op->sizes[0] * heads;
    int64_t work = count * now->length * (op->sizes[2] + op->sizes[3]);
    int64_t parts = work < LEAST_WORK || count < now->threads ? 1 : now->threads;
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int64_t part = 0; part < parts; part++)
        for (int64_t i = count * part / parts; i < count * (part + 1) / parts; i++)
            attend_by_head(op, now, i / heads, i % heads, now->scores + part * now->room);
}
