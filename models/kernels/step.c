/* One decoding step, as a list of operations on fixed memory.

   recorder.py makes the list from the forward call of a model, and library.py compiles this file. Every tensor
   is float32 unless it says otherwise. A view has its sizes and strides in elements; SIZES of them, the missing
   outer ones 1 and 0. Rows are the texts of a batch; each has one new token. */

#include <math.h>
#include <string.h>

#include "exponential.h"
#include "operation.h"
#include "rms.h"

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
        float scale = inverse_rms(a, n, op->value);
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

/* Add the ids of the new tokens to those of the cache, and write what the operations read. */
static void begin(const state *now) {
    for (int64_t r = 0; r < now->rows; r++) {
        int64_t *ids = now->ids + r * now->id_stride, *recent = now->recent + r * (now->before + 1);
        ids[now->length] = now->tokens[r];
        for (int64_t i = 0, at = now->length - now->before; i <= now->before; i++, at++)
            recent[i] = at < 0 ? 0 : ids[at];
        now->places[r] = now->length - now->pads[r];
    }
}

static void step_of_rows(const state *now) {
    begin(now);
    for (const operation *op = now->operations; op < now->operations + now->operation_count; op++) switch (op->kind) {
        case LINEAR: rlm_linear(op, now); break;
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
        case STORE: rlm_store(op, now); break;
        case ATTEND: rlm_attend(op, now); break;
        }
}

/* Whether parts are computed at the same time: not where the compiler knows no OpenMP. */
int rlm_has_threads(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

/* The step of `count` parts of a batch, each in a thread. One part may use threads itself, and OpenMP would start new
   ones for each operation within a parallel region. */
void rlm_step(const state *parts, int64_t count) {
    if (count == 1) {
        step_of_rows(parts);
        return;
    }
#pragma omp parallel for num_threads(count)
    for (int64_t part = 0; part < count; part++) step_of_rows(parts + part);
}

int64_t rlm_operation_size(void) { return sizeof(operation); }
