/* Products of the rows of a batch and packed weights. */

#include "operation.h"

#define PANEL 16 /* outputs that lie together in memory */
#define PARTS (PANEL / LANES)
#define AHEAD 16 /* lines of PANEL numbers */

/* EACH(ROWS, PANELS) for the numbers of rows that are computed together, so that a weight is read once for all of
   them, and the panels that are computed with them. Their sums fill the registers. Several panels are read at once
   from several places, which is faster than from one. */
#if LANES == 16
#define ROW_COUNTS(EACH) EACH(1, 8) EACH(2, 8) EACH(3, 6) EACH(4, 6) EACH(5, 4) EACH(6, 4) EACH(7, 3) EACH(8, 3)
#define MOST_ROWS 8
#else
#define ROW_COUNTS(EACH) EACH(1, 4) EACH(2, 2) EACH(3, 1) EACH(4, 1) EACH(5, 1) EACH(6, 1)
#define MOST_ROWS 6
#endif

/* y (ROWS, PANELS * PANEL) = x (ROWS, k) times PANELS panels w, each (k, PANEL). Every sum is added up in the order of
   k, so a row's result does not depend on how many rows there are. With many rows, the processor is too busy to load
   weights early enough by itself. Those AHEAD are close enough to go into the first cache. */
#define PRODUCT(NAME, ROWS, PANELS)                                                                           \
    static void NAME(float *restrict y, int64_t y_stride, const float *restrict x, int64_t x_stride,          \
                     const float *restrict w, int64_t k) {                                                    \
        lanes sums[PANELS * PARTS][ROWS], weights[PANELS * PARTS];                                            \
        for (int p = 0; p < PANELS * PARTS; p++)                                                              \
            for (int r = 0; r < ROWS; r++) sums[p][r] = (lanes){0};                                           \
        for (int64_t i = 0; i < k; i++) {                                                                     \
            for (int p = 0; p < PANELS * PARTS; p++)                                                          \
                weights[p] = *(const lanes *)(w + (p / PARTS * k + i) * PANEL + p % PARTS * LANES);           \
            for (int p = 0; ROWS > 2 && p < PANELS; p++) __builtin_prefetch(w + (p * k + i + AHEAD) * PANEL);  \
            for (int r = 0; r < ROWS; r++)                                                                    \
                for (int p = 0; p < PANELS * PARTS; p++) sums[p][r] += weights[p] * x[r * x_stride + i];      \
        }                                                                                                     \
        for (int p = 0; p < PANELS * PARTS; p++)                                                              \
            for (int r = 0; r < ROWS; r++) *(lanes *)(y + r * y_stride + p * LANES) = sums[p][r];             \
    }
#define PRODUCTS(ROWS, PANELS) PRODUCT(several_##ROWS, ROWS, PANELS) PRODUCT(one_##ROWS, ROWS, 1)
ROW_COUNTS(PRODUCTS)

typedef void product(float *restrict, int64_t, const float *restrict, int64_t, const float *restrict, int64_t);

static const struct {
    int64_t panels;
    product *several, *one; /* so many panels, and one */
} products[] = {
#define ENTRY(ROWS, PANELS) [ROWS] = {PANELS, several_##ROWS, one_##ROWS},
    ROW_COUNTS(ENTRY)
};

/* The panels from `first` to `end` for `rows` rows, at most MOST_ROWS. */
static void panels_of_rows(const operation *op, int64_t first, int64_t end, int64_t row, int64_t rows) {
    int64_t k = op->sizes[2], y_stride = op->out.strides[0], x_stride = op->a.strides[0], panel = first;
    const float *x = (const float *)op->a.data + row * x_stride, *w = (const float *)op->b.data;
    float *y = (float *)op->out.data + row * y_stride;
    int64_t several = products[rows].panels, size = PANEL * k;
    for (; panel + several <= end; panel += several)
        products[rows].several(y + panel * PANEL, y_stride, x, x_stride, w + panel * size, k);
    for (; panel < end; panel++) products[rows].one(y + panel * PANEL, y_stride, x, x_stride, w + panel * size, k);
}

/* The panels from `first` to `end` for all rows. */
static void panels_of_all_rows(const operation *op, int64_t first, int64_t end) {
    int64_t rows = op->sizes[0], n = op->sizes[1], y_stride = op->out.strides[0];
    int64_t parts = (rows + MOST_ROWS - 1) / MOST_ROWS, some = (rows + parts - 1) / parts, step = products[some].panels;
    for (int64_t panel = first; panel < end; panel += step)
        for (int64_t part = 0; part < parts; part++) { /* the second part finds the panels in the cache */
            int64_t row = (part + 1) * some <= rows ? part * some : rows - some; /* some rows may be computed twice */
            panels_of_rows(op, panel, panel + step < end ? panel + step : end, row, some);
        }
    const float *bias = (const float *)op->c.data;
    for (int64_t r = 0; bias && r < rows; r++) {
        float *y = (float *)op->out.data + r * y_stride;
        for (int64_t i = first * PANEL; i < end * PANEL && i < n; i++) y[i] += bias[i];
    }
}

/* out (rows, n) = a (rows, k) times a packed weight b, plus a bias c (n,) if there is one. sizes: rows, n, k.
   A packed weight consists of panels (k, PANEL), each of PANEL outputs. */
void rlm_linear(const operation *op, const state *now) {
    int64_t panels = (op->sizes[1] + PANEL - 1) / PANEL, work = op->sizes[0] * op->sizes[1] * op->sizes[2];
    int64_t threads = work < LEAST_WORK || panels < now->threads ? 1 : now->threads;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++)
        panels_of_all_rows(op, panels * part / threads, panels * (part + 1) / threads);
}
