/* Causal attention with its gradient, head by head, so that its scores never leave the processor's caches.

   attention.py has the formulas. Queries (rows, heads, queries, width), keys and values (rows, heads, keys, width)
   are float32 or bfloat16 with the strides that they have, and everything is computed in float32. A query sees the
   keys up to its own place; there may be more keys than queries, and those before the first query are seen by all.
   A head is computed by one thread, so that a result does not depend on their number. */

#include <math.h>
#include <string.h>

#include "exponential.h"
#include "highest.h"
#include "lanes.h"
#include "lines.h"

enum { PANEL = LANES > 8 ? LANES : 8 }; /* numbers that are computed together: two instructions of 4, or one */
enum { TILE = PANEL / 2 }; /* rows: the sums of so many, in two panels, fit in the registers */
enum { BLOCK = 32 }; /* queries whose scores are there at the same time */
enum { OUT, QUERIES, KEYS, VALUES, OF_QUERIES, OF_KEYS, OF_VALUES }; /* an array of strides: OUT is of its gradient too */

typedef float panel __attribute__((vector_size(4 * PANEL), aligned(4), may_alias));

/* A tensor as it lies in memory: strides of rows, heads and tokens, in elements. */
typedef struct {
    int64_t row, head, token;
} strides;

typedef struct {
    int64_t rows, heads, queries, keys, width;
    int64_t wide, length; /* width and keys, rounded up to whole panels */
    float factor; /* of the scores, above 0 */
    int format;
} sizes;

static inline int64_t up_to(int64_t n, int64_t whole) { return (n + whole - 1) / whole * whole; }

static inline int64_t place(const strides *in, int64_t head, const sizes *of) {
    return head / of->heads * in->row + head % of->heads * in->head;
}

static inline __attribute__((always_inline)) void tile(float *restrict y, int64_t y_stride, const float *restrict x,
                                                       int64_t x_row, int64_t x_step, const float *restrict w,
                                                       int64_t w_stride, int64_t k, int panels, int add) {
    panel sums[TILE][2];
    for (int r = 0; r < TILE; r++)
        for (int p = 0; p < panels; p++)
            sums[r][p] = add ? *(const panel *)(y + r * y_stride + p * PANEL) : (panel){0};
    for (int64_t i = 0; i < k; i++) {
        panel weights[2];
        for (int p = 0; p < panels; p++) weights[p] = *(const panel *)(w + i * w_stride + p * PANEL);
        for (int r = 0; r < TILE; r++)
            for (int p = 0; p < panels; p++) sums[r][p] += weights[p] * x[r * x_row + i * x_step];
    }
    for (int r = 0; r < TILE; r++)
        for (int p = 0; p < panels; p++) *(panel *)(y + r * y_stride + p * PANEL) = sums[r][p];
}

/* TILE rows of y (TILE, n) = x (TILE, k) times w (k, n), or that much more. n is a number of whole panels. */
static void multiply(float *restrict y, int64_t y_stride, const float *restrict x, int64_t x_row, int64_t x_step,
                     const float *restrict w, int64_t w_stride, int64_t k, int64_t n, int add) {
    int64_t at = 0;
    if (add) {
        for (; at + 2 * PANEL <= n; at += 2 * PANEL) tile(y + at, y_stride, x, x_row, x_step, w + at, w_stride, k, 2, 1);
        for (; at < n; at += PANEL) tile(y + at, y_stride, x, x_row, x_step, w + at, w_stride, k, 1, 1);
    } else {
        for (; at + 2 * PANEL <= n; at += 2 * PANEL) tile(y + at, y_stride, x, x_row, x_step, w + at, w_stride, k, 2, 0);
        for (; at < n; at += PANEL) tile(y + at, y_stride, x, x_row, x_step, w + at, w_stride, k, 1, 0);
    }
}

/* The tokens first … first + count of a head, as (room, wide), with zeros where there is nothing. */
static void load_tokens(float *restrict to, const void *from, const strides *in, int64_t head, int64_t first,
                        int64_t count, int64_t room, const sizes *of) {
    int64_t at = place(in, head, of) + first * in->token;
    if (in->token == of->width && of->wide == of->width)
        load(to, from, at, count * of->width, of->format);
    else
        for (int64_t t = 0; t < count; t++) {
            load(to + t * of->wide, from, at + t * in->token, of->width, of->format);
            for (int64_t i = of->width; i < of->wide; i++) to[t * of->wide + i] = 0;
        }
    memset(to + count * of->wide, 0, (room - count) * of->wide * sizeof(float));
}

static void save_tokens(void *to, const strides *in, int64_t head, int64_t first, const float *from, int64_t count,
                        const sizes *of) {
    int64_t at = place(in, head, of) + first * in->token;
    if (in->token == of->width && of->wide == of->width)
        save(to, at, from, count * of->width, of->format);
    else
        for (int64_t t = 0; t < count; t++) save(to, at + t * in->token, from + t * of->wide, of->width, of->format);
}

/* (length, wide) as (wide, length). */
static void transpose(float *restrict to, const float *restrict from, const sizes *of) {
    for (int64_t t = 0; t < of->length; t += PANEL)
        for (int64_t i = 0; i < of->wide; i++)
            for (int64_t l = 0; l < PANEL; l++) to[i * of->length + t + l] = from[(t + l) * of->wide + i];
}

/* How many keys a query sees. */
static inline int64_t seen_by(int64_t query, const sizes *of) {
    int64_t seen = of->keys - of->queries + query + 1;
    return seen < of->keys ? seen : of->keys;
}

/* How many keys the TILE queries from `query` on see together, in whole panels. */
static inline int64_t seen_by_tile(int64_t query, const sizes *of) {
    return up_to(seen_by(query + TILE - 1, of), PANEL);
}

static inline float sum_of(panel all) {
    float sum = 0;
    for (int l = 0; l < PANEL; l++) sum += all[l];
    return sum;
}

/* Each number of a panel becomes e to the power of (number - most) * factor. */
static inline void to_powers(float *line, float most, float factor) {
    for (int l = 0; l < PANEL; l++) line[l] = exponential((line[l] - most) * factor);
}

/* The scores of a query over n keys, of which it sees `seen`, become e to the power of (score - most) * factor.
   Returns most, the largest of them. */
static float exponentials(float *restrict line, int64_t seen, int64_t n, float factor, float *sum) {
    for (int64_t i = seen; i < n; i++) line[i] = -INFINITY;
    float most = highest_of(line, n);
    panel sums = {0};
    for (int64_t i = 0; i < n; i += PANEL) to_powers(line + i, most, factor);
    for (int64_t i = seen; i < n; i++) line[i] = 0;
    for (int64_t i = 0; i < n; i += PANEL) sums += *(const panel *)(line + i);
    *sum = sum_of(sums);
    return most;
}

static void attend(void *out, const void *q, const void *k, const void *v, float *norms, const strides *in, int64_t head,
                   const sizes *of, float *room) {
    int64_t wide = of->wide, length = of->length;
    float *values = room, *transposed = values + wide * length, *keys = transposed + wide * length;
    float *queries = keys + wide * length, *found = queries + BLOCK * wide, *scores = found + BLOCK * wide;
    load_tokens(keys, k, in + KEYS, head, 0, of->keys, length, of);
    transpose(transposed, keys, of);
    load_tokens(values, v, in + VALUES, head, 0, of->keys, length, of);
    for (int64_t first = 0; first < of->queries; first += BLOCK) {
        int64_t count = of->queries - first < BLOCK ? of->queries - first : BLOCK;
        load_tokens(queries, q, in + QUERIES, head, first, count, BLOCK, of);
        for (int64_t r = 0; r < count; r += TILE) {
            int64_t n = seen_by_tile(first + r, of);
            float shares[TILE];
            multiply(scores, length, queries + r * wide, wide, 1, transposed, length, wide, n, 0);
            for (int64_t i = 0; i < TILE; i++) {
                int64_t query = first + r + i;
                float sum, most = exponentials(scores + i * length, seen_by(query, of), n, of->factor, &sum);
                shares[i] = 1.0f / sum;
                if (query < of->queries) {
                    norms[2 * (head * of->queries + query)] = most;
                    norms[2 * (head * of->queries + query) + 1] = shares[i];
                }
            }
            multiply(found + r * wide, wide, scores, length, 1, values, wide, n, wide, 0);
            for (int64_t i = 0; i < TILE; i++)
                for (int64_t j = 0; j < wide; j++) found[(r + i) * wide + j] *= shares[i];
        }
        save_tokens(out, in + OUT, head, first, found, count, of);
    }
}

/* Scores to shares, and the gradients of these shares to those of the products of queries and keys. */
static void through_softmax(float *restrict scores, float *restrict gradient, int64_t seen, int64_t n, float factor,
                            float most, float share) {
    panel products = {0};
    for (int64_t i = 0; i < n; i += PANEL) to_powers(scores + i, most, factor);
    for (int64_t i = seen; i < n; i++) scores[i] = 0;
    for (int64_t i = 0; i < n; i += PANEL) {
        panel *these = (panel *)(scores + i);
        *these *= share;
        products += *these * *(const panel *)(gradient + i);
    }
    float product = sum_of(products);
    for (int64_t i = 0; i < n; i += PANEL) {
        panel *of = (panel *)(gradient + i);
        *of = *(const panel *)(scores + i) * (*of - product) * factor;
    }
}

static void attend_gradient(void *of_q, void *of_k, void *of_v, const void *g, const void *q, const void *k,
                            const void *v, const float *norms, const strides *in, int64_t head, const sizes *of,
                            float *room) {
    int64_t wide = of->wide, length = of->length, size = wide * length, before = of->keys - of->queries;
    float *keys = room, *transposed_keys = keys + size, *transposed_values = transposed_keys + size;
    float *of_keys = transposed_values + size, *of_values = of_keys + size, *queries = of_values + size;
    float *gradient = queries + BLOCK * wide, *of_queries = gradient + BLOCK * wide;
    float *shares = of_queries + BLOCK * wide, *of_shares = shares + BLOCK * length;
    const float nothing[2] = {0, 0};
    load_tokens(keys, v, in + VALUES, head, 0, of->keys, length, of);
    transpose(transposed_values, keys, of);
    load_tokens(keys, k, in + KEYS, head, 0, of->keys, length, of);
    transpose(transposed_keys, keys, of);
    memset(of_keys, 0, 2 * size * sizeof(float));
    for (int64_t first = 0; first < of->queries; first += BLOCK) {
        int64_t count = of->queries - first < BLOCK ? of->queries - first : BLOCK, rows = up_to(count, TILE);
        load_tokens(queries, q, in + QUERIES, head, first, count, BLOCK, of);
        load_tokens(gradient, g, in + OUT, head, first, count, BLOCK, of);
        for (int64_t r = 0; r < rows; r += TILE) {
            int64_t n = seen_by_tile(first + r, of);
            float *of_line = of_shares + r * length;
            multiply(shares + r * length, length, queries + r * wide, wide, 1, transposed_keys, length, wide, n, 0);
            multiply(of_line, length, gradient + r * wide, wide, 1, transposed_values, length, wide, n, 0);
            for (int64_t i = r; i < r + TILE; i++) {
                int64_t query = first + i;
                const float *norm = query < of->queries ? norms + 2 * (head * of->queries + query) : nothing;
                through_softmax(shares + i * length, of_shares + i * length, seen_by(query, of), n, of->factor, norm[0],
                                norm[1]);
            }
            multiply(of_queries + r * wide, wide, of_line, length, 1, keys, wide, n, wide, 0);
        }
        save_tokens(of_q, in + OF_QUERIES, head, first, of_queries, count, of);
        int64_t most = seen_by_tile(first + rows - TILE, of);
        for (int64_t t = 0; t < most; t += TILE) { /* queries before r do not see these keys */
            int64_t r = t - before - first, skipped = r > 0 ? r / TILE * TILE : 0, left = rows - skipped;
            const float *share = shares + skipped * length + t, *of_share = of_shares + skipped * length + t;
            multiply(of_values + t * wide, wide, share, 1, length, gradient + skipped * wide, wide, left, wide, 1);
            multiply(of_keys + t * wide, wide, of_share, 1, length, queries + skipped * wide, wide, left, wide, 1);
        }
    }
    save_tokens(of_k, in + OF_KEYS, head, 0, of_keys, of->keys, of);
    save_tokens(of_v, in + OF_VALUES, head, 0, of_values, of->keys, of);
}

static sizes sizes_of(int64_t rows, int64_t heads, int64_t queries, int64_t keys, int64_t width, float factor,
                      int format) {
    return (sizes){rows, heads, queries, keys, width, up_to(width, PANEL), up_to(keys, PANEL), factor, format};
}

/* in: strides (4, 3). norms (rows, heads, queries, 2): the largest score of each query, and the inverse of
   its divisor.
   rooms: of each thread, `room` floats: at least what attend_gradient divides among its arrays. */
void rlm_attention(void *out, const void *q, const void *k, const void *v, int format, float *norms, const int64_t *in,
                   float *rooms, int64_t room, int64_t rows, int64_t heads, int64_t queries, int64_t keys,
                   int64_t width, float factor, int threads) {
    sizes of = sizes_of(rows, heads, queries, keys, width, factor, format);
    int64_t count = rows * heads;
    LINES(threads)
        for (int64_t head = count * at / threads; head < count * (at + 1) / threads; head++)
            attend(out, q, k, v, norms, (const strides *)in, head, &of, rooms + at * room);
}

/* in: strides (7, 3). */
void rlm_attention_gradient(void *of_q, void *of_k, void *of_v, const void *g, const void *q, const void *k,
                            const void *v, int format, const float *norms, const int64_t *in, float *rooms,
                            int64_t room, int64_t rows, int64_t heads, int64_t queries, int64_t keys, int64_t width,
                            float factor, int threads) {
    sizes of = sizes_of(rows, heads, queries, keys, width, factor, format);
    int64_t count = rows * heads;
    LINES(threads)
        for (int64_t head = count * at / threads; head < count * (at + 1) / threads; head++)
            attend_gradient(of_q, of_k, of_v, g, q, k, v, norms, (const strides *)in, head, &of, rooms + at * room);
}
