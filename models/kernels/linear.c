/* Products of the rows of a batch and packed weights. */

#include "operation.h"

#define BLOCK 2 /* panels that lie together in memory */
#ifdef __AVX512F__
#define MOST_ROWS 8 /* for so many there are registers, and each weight is read once for all of them */
#else
#define MOST_ROWS 2
#endif

/* y (ROWS, BLOCKS * PANELS * LANES) = x (ROWS, k) times blocks of PANELS panels each, which follow each other.
   Every sum is added up in the order of k, so a row's result does not depend on how many rows there are. */
#define PRODUCT(ROWS, BLOCKS, PANELS)                                                                         \
    static void product_##ROWS##_##BLOCKS##_##PANELS(float *restrict y, int64_t y_stride,                     \
                                                     const float *restrict x, int64_t x_stride,               \
                                                     const float *restrict w, int64_t k) {                    \
        lanes sums[BLOCKS][PANELS][ROWS];                                                                     \
        for (int b = 0; b < BLOCKS; b++)                                                                      \
            for (int p = 0; p < PANELS; p++)                                                                  \
                for (int r = 0; r < ROWS; r++) sums[b][p][r] = (lanes){0};                                    \
        for (int64_t i = 0; i < k; i++)                                                                       \
            for (int b = 0; b < BLOCKS; b++)                                                                  \
                for (int p = 0; p < PANELS; p++) {                                                            \
                    lanes weight = *(const lanes *)(w + ((b * k + i) * PANELS + p) * LANES);                  \
                    for (int r = 0; r < ROWS; r++) sums[b][p][r] += weight * x[r * x_stride + i];             \
                }                                                                                             \
        for (int b = 0; b < BLOCKS; b++)                                                                      \
            for (int p = 0; p < PANELS; p++)                                                                  \
                for (int r = 0; r < ROWS; r++)                                                                \
                    *(lanes *)(y + r * y_stride + (b * PANELS + p) * LANES) = sums[b][p][r];                  \
    }

#define PRODUCTS(ROWS, BLOCKS) PRODUCT(ROWS, BLOCKS, 2) PRODUCT(ROWS, 1, 1)
PRODUCTS(1, 4) PRODUCT(1, 1, 2)
PRODUCTS(2, 2) PRODUCT(2, 1, 2)
#if MOST_ROWS == 8
PRODUCTS(3, 2) PRODUCT(3, 1, 2)
PRODUCTS(4, 1) PRODUCTS(5, 1) PRODUCTS(6, 1) PRODUCTS(7, 1) PRODUCTS(8, 1)
#endif

typedef void product(float *restrict, int64_t, const float *restrict, int64_t, const float *restrict, int64_t);

/* By the number of rows. With few, several blocks at once keep the processor busy. */
static const struct {
    int64_t at_once;
    product *blocks, *block, *panel; /* `at_once` blocks, one, and a panel that is a block of its own */
} products[] = {
    [1] = {4, product_1_4_2, product_1_1_2, product_1_1_1},
    [2] = {2, product_2_2_2, product_2_1_2, product_2_1_1},
#if MOST_ROWS == 8
    [3] = {2, product_3_2_2, product_3_1_2, product_3_1_1},
    [4] = {1, product_4_1_2, product_4_1_2, product_4_1_1},
    [5] = {1, product_5_1_2, product_5_1_2, product_5_1_1},
    [6] = {1, product_6_1_2, product_6_1_2, product_6_1_1},
    [7] = {1, product_7_1_2, product_7_1_2, product_7_1_1},
    [8] = {1, product_8_1_2, product_8_1_2, product_8_1_1},
#endif
};

/* The panels from `first` to `end` for `rows` rows, at most MOST_ROWS. */
static void panels_of_rows(const operation *op, int64_t first, int64_t end, int64_t row, int64_t rows) {
    int64_t k = op->sizes[2], y_stride = op->out.strides[0], x_stride = op->a.strides[0];
    const float *x = (const float *)op->a.data + row * x_stride, *w = (const float *)op->b.data;
    float *y = (float *)op->out.data + row * y_stride;
    for (int64_t panel = first, count; panel < end; panel += count) {
        int64_t left = end - panel, several = products[rows].at_once * BLOCK;
        count = left >= several ? several : left >= BLOCK ? BLOCK : 1;
        product *compute = left >= several ? products[rows].blocks
                           : left >= BLOCK ? products[rows].block
                                           : products[rows].panel;
        compute(y + panel * LANES, y_stride, x, x_stride, w + panel * LANES * k, k);
    }
}

/* The panels from `first` to `end` for all rows. */
static void panels_of_all_rows(const operation *op, int64_t first, int64_t end) {
    int64_t rows = op->sizes[0], n = op->sizes[1], y_stride = op->out.strides[0];
    int64_t parts = (rows + MOST_ROWS - 1) / MOST_ROWS, step = products[(rows + parts - 1) / parts].at_once * BLOCK;
    for (int64_t panel = first; panel < end; panel += step)
        for (int64_t part = 0; part < parts; part++) { /* these panels are in the cache for the second part */
            int64_t row = rows * part / parts, until = rows * (part + 1) / parts;
            panels_of_rows(op, panel, panel + step < end ? panel + step : end, row, until - row);
        }
    const float *bias = (const float *)op->c.data;
    for (int64_t r = 0; bias && r < rows; r++) {
        float *y = (float *)op->out.data + r * y_stride;
        for (int64_t i = first * LANES; i < end * LANES && i < n; i++) y[i] += bias[i];
    }
}

/* out (rows, n) = a (rows, k) times a packed weight b, plus a bias c (n,) if there is one. sizes: rows, n, k.
   A panel is LANES outputs, and a block BLOCK panels; the last block may have fewer. A block is (k, panels, LANES),
   so that the weight is read from its start to its end. */
void rlm_linear(const operation *op, const state *now) {
    int64_t panels = (op->sizes[1] + LANES - 1) / LANES, blocks = (panels + BLOCK - 1) / BLOCK;
    int64_t work = op->sizes[0] * op->sizes[1] * op->sizes[2];
    int64_t threads = work < LEAST_WORK || blocks < now->threads ? 1 : now->threads;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t part = 0; part < threads; part++) {
        int64_t end = blocks * (part + 1) / threads * BLOCK;
        panels_of_all_rows(op, blocks * part / threads * BLOCK, end < panels ? end : panels);
    }
}
