/* One decoding step, as a list of operations on fixed memory.

   recorder.py makes the list from the forward call of a model, and library.py compiles this file. Every tensor
   is float32 unless it says otherwise. A view has its sizes and strides in elements; SIZES of them, the missing
   outer ones 1 and 0. Rows are the texts of a batch; each has one new token. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "exponential.h"

#define SIZES 5
#define LANES 16 /* outputs of a packed weight that are computed together */
#define BLOCK 8
#define LEAST_WORK (1 << 19) /* multiplications that are worth another thread */

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

typedef struct {
    char *data;
    int64_t strides[SIZES];
} view;

typedef struct {
    int32_t kind;
    int32_t slot;
    int64_t sizes[SIZES]; /* of the result; what each kind keeps there is said at its function */
    view out, a, b, c;
    float value; /* an epsilon, or a scale */
} operation;

/* What a call adds to the list: where the cache is, and how far it is filled. */
typedef struct {
    float *keys, *values; /* (slots, rows, heads, capacity, width) each */
    int64_t key_strides[3], value_strides[3]; /* of slots, rows and heads, in elements */
    int64_t length;       /* tokens in the cache, without the new one */
    const int64_t *pads;  /* (rows,): those at the start of each row */
    float *scores;        /* for each thread, room for `room` of them */
    int64_t room;
    int64_t threads;
} state;

enum { LINEAR, RMS_NORM, LAYER_NORM, ADD, SUB, MUL, DIV, ADDCMUL, SILU, GELU, SIGMOID, TANH,
       COPY, COPY_WIDE, GATHER, STORE, ATTEND };

/* out (rows, n) = a (rows, k) times a packed weight b, plus a bias c (n,) if there is one. sizes: rows, n, k.
   A panel is LANES outputs. The weight is in blocks of BLOCK panels, the last one of fewer; a block is (k, panels,
   LANES), so that it is read from its start to its end. */
#define LINEAR_OF(NAME, ROWS, PANELS)                                                                        \
    static void NAME(float *restrict y, int64_t y_stride, const float *restrict x, int64_t x_stride,          \
                     const float *restrict w, int64_t w_stride, int64_t k) {                                  \
        lanes sums[PANELS][ROWS];                                                                             \
        memset(sums, 0, sizeof sums);                                                                         \
        for (int64_t i = 0; i < k; i++)                                                                       \
            for (int p = 0; p < PANELS; p++) {                                                                \
                lanes weight = *(const lanes *)(w + i * w_stride + p * LANES);                                \
                for (int r = 0; r < ROWS; r++) sums[p][r] += weight * x[r * x_stride + i];                    \
            }                                                                                                 \
        for (int p = 0; p < PANELS; p++)                                                                      \
            for (int r = 0; r < ROWS; r++) *(lanes *)(y + r * y_stride + p * LANES) = sums[p][r];             \
    }

LINEAR_OF(linear_1x8, 1, 8)
LINEAR_OF(linear_1x4, 1, 4)
LINEAR_OF(linear_1x1, 1, 1)
LINEAR_OF(linear_2x4, 2, 4)
LINEAR_OF(linear_2x1, 2, 1)
LINEAR_OF(linear_4x4, 4, 4)
LINEAR_OF(linear_4x1, 4, 1)

/* One block, of so many panels, for `rows` rows: 1, 2 or 4. */
static void block_of_linear(int rows, float *y, int64_t y_stride, const float *x, int64_t x_stride, const float *w,
                            int64_t k, int64_t panels) {
    int64_t stride = panels * LANES, p = 0;
    if (rows == 1 && panels == BLOCK) {
        linear_1x8(y, y_stride, x, x_stride, w, stride, k);
        return;
    }
    for (; p + 4 <= panels; p += 4)
        (rows == 1 ? linear_1x4 : rows == 2 ? linear_2x4 : linear_4x4)(y + p * LANES, y_stride, x, x_stride,
                                                                       w + p * LANES, stride, k);
    for (; p < panels; p++)
        (rows == 1 ? linear_1x1 : rows == 2 ? linear_2x1 : linear_4x1)(y + p * LANES, y_stride, x, x_stride,
                                                                       w + p * LANES, stride, k);
}

/* The blocks from `first` to `end` for all rows. */
static void blocks_of_linear(const operation *op, int64_t first, int64_t end) {
    int64_t rows = op->sizes[0], n = op->sizes[1], k = op->sizes[2], panels = (n + LANES - 1) / LANES;
    int64_t y_stride = op->out.strides[0], x_stride = op->a.strides[0];
    const float *bias = (const float *)op->c.data;
    for (int64_t block = first; block < end; block++) {
        int64_t left = panels - block * BLOCK, width = BLOCK * LANES;
        const float *w = (const float *)op->b.data + block * width * k;
        float *y = (float *)op->out.data + block * width;
        for (int64_t r = 0, some; r < rows; r += some) {
            some = rows - r >= 4 ? 4 : rows - r >= 2 ? 2 : 1;
            block_of_linear(some, y + r * y_stride, y_stride, (const float *)op->a.data + r * x_stride, x_stride, w, k,
                            left < BLOCK ? left : BLOCK);
        }
        for (int64_t r = 0; bias && r < rows; r++)
            for (int64_t i = 0; i < width && block * width + i < n; i++)
                y[r * y_stride + i] += bias[block * width + i];
    }
}

static void linear(const operation *op, const state *now) {
    int64_t blocks = (op->sizes[1] + BLOCK * LANES - 1) / (BLOCK * LANES);
    int64_t work = op->sizes[0] * op->sizes[1] * op->sizes[2];
    int64_t parts = work < LEAST_WORK || blocks < now->threads ? 1 : now->threads;
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int64_t part = 0; part < parts; part++)
        blocks_of_linear(op, blocks * part / parts, blocks * (part + 1) / parts);
}

/* Call BODY for every line of the innermost dimension, with the pointers o, a, b and c of its first elements. */
#define EACH_LINE(...)                                                                                        \
    for (int64_t i0 = 0; i0 < op->sizes[0]; i0++)                                                             \
        for (int64_t i1 = 0; i1 < op->sizes[1]; i1++)                                                         \
            for (int64_t i2 = 0; i2 < op->sizes[2]; i2++)                                                     \
                for (int64_t i3 = 0; i3 < op->sizes[3]; i3++) {                                               \
                    float *restrict o = LINE(op->out);                                                        \
                    const float *a = LINE(op->a), *b = LINE(op->b), *c = LINE(op->c);                         \
                    (void)b, (void)c;                                                                         \
                    __VA_ARGS__                                                                               \
                }
#define LINE(VIEW)                                                                                            \
    ((float *)(VIEW).data + i0 * (VIEW).strides[0] + i1 * (VIEW).strides[1] + i2 * (VIEW).strides[2] +         \
     i3 * (VIEW).strides[3])

/* Norms: of lines of a, times a gain b, plus a bias c, where they are. */
static void rms_norm(const operation *op) {
    int64_t n = op->sizes[4];
    EACH_LINE({
        float squares = 0;
        for (int64_t i = 0; i < n; i++) squares += a[i] * a[i];
        float scale = 1.0f / sqrtf(squares / n + op->value);
        if (op->b.data)
            for (int64_t i = 0; i < n; i++) o[i] = a[i] * scale * b[i];
        else
            for (int64_t i = 0; i < n; i++) o[i] = a[i] * scale;
    })
}

static void layer_norm(const operation *op) {
    int64_t n = op->sizes[4];
    EACH_LINE({
        float sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) sum += a[i];
        float mean = sum / n;
        for (int64_t i = 0; i < n; i++) squares += (a[i] - mean) * (a[i] - mean);
        float scale = 1.0f / sqrtf(squares / n + op->value);
        for (int64_t i = 0; i < n; i++) o[i] = (a[i] - mean) * scale;
        if (op->b.data)
            for (int64_t i = 0; i < n; i++) o[i] *= b[i];
        if (op->c.data)
            for (int64_t i = 0; i < n; i++) o[i] += c[i];
    })
}

/* Element by element. A stride of 0 along a line is a broadcast. */
#define BINARY(SIGN)                                                                                          \
    {                                                                                                         \
        int64_t n = op->sizes[4];                                                                             \
        EACH_LINE({                                                                                           \
            if (op->a.strides[4] == 1 && op->b.strides[4] == 1)                                               \
                for (int64_t i = 0; i < n; i++) o[i] = a[i] SIGN b[i];                                        \
            else if (op->b.strides[4] == 0 && op->a.strides[4] == 1)                                          \
                for (int64_t i = 0; i < n; i++) o[i] = a[i] SIGN *b;                                          \
            else                                                                                              \
                for (int64_t i = 0; i < n; i++) o[i] = a[i * op->a.strides[4]] SIGN b[i * op->b.strides[4]];  \
        })                                                                                                    \
        break;                                                                                                \
    }
#define UNARY(EXPRESSION)                                                                                     \
    {                                                                                                         \
        int64_t n = op->sizes[4], step = op->a.strides[4];                                                    \
        EACH_LINE({                                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                                 \
                float x = a[i * step];                                                                        \
                o[i] = EXPRESSION;                                                                            \
            }                                                                                                 \
        })                                                                                                    \
        break;                                                                                                \
    }

static void addcmul(const operation *op) {
    int64_t n = op->sizes[4];
    EACH_LINE({
        for (int64_t i = 0; i < n; i++)
            o[i] = a[i * op->a.strides[4]] + op->value * b[i * op->b.strides[4]] * c[i * op->c.strides[4]];
    })
}

static void copy(const operation *op) {
    int64_t n = op->sizes[4];
    EACH_LINE({
        if (op->a.strides[4] == 1 && op->out.strides[4] == 1)
            memcpy(o, a, n * sizeof(float));
        else
            for (int64_t i = 0; i < n; i++) o[i * op->out.strides[4]] = a[i * op->a.strides[4]];
    })
}

/* Of int64: sizes and strides are those of such numbers. */
static void copy_wide(const operation *op) {
    int64_t at[SIZES] = {0};
    for (at[0] = 0; at[0] < op->sizes[0]; at[0]++)
        for (at[1] = 0; at[1] < op->sizes[1]; at[1]++)
            for (at[2] = 0; at[2] < op->sizes[2]; at[2]++)
                for (at[3] = 0; at[3] < op->sizes[3]; at[3]++)
                    for (at[4] = 0; at[4] < op->sizes[4]; at[4]++) {
                        int64_t to = 0, from = 0;
                        for (int d = 0; d < SIZES; d++)
                            to += at[d] * op->out.strides[d], from += at[d] * op->a.strides[d];
                        ((int64_t *)op->out.data)[to] = ((const int64_t *)op->a.data)[from];
                    }
}

/* out (indices, n) = the rows of a table a (…, n) that the int64 of b say. sizes: indices, n. */
static void gather(const operation *op) {
    int64_t n = op->sizes[1];
    for (int64_t i = 0; i < op->sizes[0]; i++) {
        int64_t row = ((const int64_t *)op->b.data)[i * op->b.strides[0]];
        memcpy((float *)op->out.data + i * n, (const float *)op->a.data + row * n, n * sizeof(float));
    }
}

static float *of_head(float *cache, const int64_t *strides, int64_t slot, int64_t row, int64_t head) {
    return cache + slot * strides[0] + row * strides[1] + head * strides[2];
}

/* Keys a and values b (rows, heads, width) of the new tokens, into their slot. sizes: rows, heads, width. */
static void store(const operation *op, const state *now) {
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

/* One row and head of attend. */
static void attend_by_head(const operation *op, const state *now, int64_t r, int64_t h, float *restrict scores) {
    int64_t width = op->sizes[2], value_width = op->sizes[3], first = now->pads[r], end = now->length + 1;
    const float *q = (float *)op->a.data + r * op->a.strides[0] + h * op->a.strides[1];
    const float *keys = of_head(now->keys, now->key_strides, op->slot, r, h);
    const float *values = of_head(now->values, now->value_strides, op->slot, r, h);
    float *restrict y = (float *)op->out.data + r * op->out.strides[0] + h * op->out.strides[1];
    float most = -INFINITY, sum = 0;
    for (int64_t t = first; t < end; t++) {
        const float *k = keys + t * width;
        float score = 0;
        for (int64_t i = 0; i < width; i++) score += q[i] * k[i];
        scores[t] = score * op->value;
    }
    for (int64_t t = first; t < end; t++) most = scores[t] > most ? scores[t] : most;
    for (int64_t t = first; t < end; t++) {
        scores[t] = exponential(scores[t] - most);
        sum += scores[t];
    }
    for (int64_t i = 0; i < value_width; i++) y[i] = 0;
    for (int64_t t = first; t < end; t++) {
        const float *v = values + t * value_width;
        float weight = scores[t];
        for (int64_t i = 0; i < value_width; i++) y[i] += weight * v[i];
    }
    for (int64_t i = 0; i < value_width; i++) y[i] /= sum;
}

/* out (rows, heads, value width) of the queries a (rows, heads, width) over a slot. sizes as in store. */
static void attend(const operation *op, const state *now) {
    int64_t heads = op->sizes[1], count = op->sizes[0] * heads;
    int64_t work = count * now->length * (op->sizes[2] + op->sizes[3]);
    int64_t parts = work < LEAST_WORK || count < now->threads ? 1 : now->threads;
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int64_t part = 0; part < parts; part++)
        for (int64_t i = count * part / parts; i < count * (part + 1) / parts; i++)
            attend_by_head(op, now, i / heads, i % heads, now->scores + part * now->room);
}

void rlm_step(const operation *list, int64_t count, const state *now) {
    for (const operation *op = list; op < list + count; op++) switch (op->kind) {
        case LINEAR: linear(op, now); break;
        case RMS_NORM: rms_norm(op); break;
        case LAYER_NORM: layer_norm(op); break;
        case ADD: BINARY(+)
        case SUB: BINARY(-)
        case MUL: BINARY(*)
        case DIV: BINARY(/)
        case ADDCMUL: addcmul(op); break;
        case SILU: UNARY(x / (1 + exponential(-x)))
        case GELU: UNARY(0.5f * x * (1 + erff(x * 0.70710678118654752f)))
        case SIGMOID: UNARY(1 / (1 + exponential(-x)))
        case TANH: UNARY(tanhf(x))
        case COPY: copy(op); break;
        case COPY_WIDE: copy_wide(op); break;
        case GATHER: gather(op); break;
        case STORE: store(op, now); break;
        case ATTEND: attend(op, now); break;
        }
}

int64_t rlm_operation_size(void) { return sizeof(operation); }
