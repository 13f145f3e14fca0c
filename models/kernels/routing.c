/* What a router computes in training, when every token takes every pass: which keys and values later tokens see, and
   the state that counts. routing.py has the formulas. */

#include <string.h>

#include "lines.h"

/* out (rows, heads, tokens): of lines of `bytes` bytes, those of `yes` for the tokens that are true in `chosen` (rows,
   tokens), else those of `no`. Zeros stand for a missing one. */
void rlm_choose(char *out, const char *yes, const char *no, const uint8_t *chosen, int64_t rows, int64_t heads,
                int64_t tokens, int64_t bytes, int threads) {
    LINES(rows * heads) {
        for (int64_t t = 0; t < tokens; t++) {
            const char *from = chosen[at / heads * tokens + t] ? yes : no;
            int64_t here = (at * tokens + t) * bytes;
            if (from)
                memcpy(out + here, from + here, bytes);
            else
                memset(out + here, 0, bytes);
        }
    }
}

/* out (lines, width): the sum of `count` states, weighted by weights (lines, count). */
void rlm_weighted_sum(void *out, const void *const *states, int format, const float *weights, int64_t count,
                      int64_t lines, int64_t width, int threads) {
    LINES(lines) {
        float line[width], sum[width];
        for (int64_t i = 0; i < width; i++) sum[i] = 0;
        for (int64_t n = 0; n < count; n++) {
            float weight = weights[at * count + n];
            load(line, states[n], at * width, width, format);
            for (int64_t i = 0; i < width; i++) sum[i] += weight * line[i];
        }
        save(out, at * width, sum, width, format);
    }
}

void rlm_weighted_sum_gradient(void *const *of_states, float *of_weights, const void *g, const void *const *states,
                               int format, const float *weights, int64_t count, int64_t lines, int64_t width,
                               int threads) {
    LINES(lines) {
        float line[width], gradient[width];
        load(gradient, g, at * width, width, format);
        for (int64_t n = 0; n < count; n++) {
            float weight = weights[at * count + n], product = 0;
            load(line, states[n], at * width, width, format);
            for (int64_t i = 0; i < width; i++) product += line[i] * gradient[i];
            of_weights[at * count + n] = product;
            for (int64_t i = 0; i < width; i++) line[i] = weight * gradient[i];
            save(of_states[n], at * width, line, width, format);
        }
    }
}
