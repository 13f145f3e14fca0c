/* What the files of a decoding step share: the operations, and where the cache is. */

#ifndef RLM_OPERATION
#define RLM_OPERATION

#include <stdint.h>

#include "lanes.h"

#define SIZES 5
#define LEAST_WORK (1 << 19) /* multiplications that are worth another thread */

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

/* The operations of some rows of a batch, where their cache is, and how far it is filled. */
typedef struct {
    const operation *operations;
    int64_t operation_count;
    float *keys, *values; /* (slots, rows, heads, capacity, width) each */
    int64_t key_strides[3], value_strides[3]; /* of slots, rows and heads, in elements */
    int64_t length;       /* tokens in the cache, without the new one */
    const int64_t *pads;  /* (rows,): those at the start of each row */
    float *scores;        /* for each thread, room for `room` of them */
    int64_t room;
    int64_t threads;
    int64_t rows;
    const int64_t *tokens; /* (rows,): the new ones */
    int64_t *ids;          /* (rows, capacity): those of the cache, its rows `id_stride` apart */
    int64_t id_stride;
    int64_t *recent; /* (rows, before + 1), for the operations: the `before` tokens before each new one, and it */
    int64_t before;
    int64_t *places; /* (rows,), for the operations: the place of each new token in its text */
} state;

enum { LINEAR, RMS_NORM, LAYER_NORM, ADD, SUB, MUL, DIV, ADDCMUL, SILU, GELU, SIGMOID, TANH,
       COPY, COPY_WIDE, GATHER, STORE, ATTEND };

void rlm_linear(const operation *op, const state *now);
void rlm_store(const operation *op, const state *now);
void rlm_attend(const operation *op, const state *now);

#endif
