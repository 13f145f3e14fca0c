/* Attention heads out of a matrix product: its bias, norms and rotations, and their gradients.

   heads.py has the formulas. x is (rows, tokens, parts, heads, width), float32 or bfloat16, and computed with in
   float32. Every part becomes (rows, heads, tokens, width). The first `rotated` parts are normed where there are scales
   (rows, tokens, rotated, heads), times a gain (width,) where there is one, and then rotated where there are cosines. */

#include "lines.h"
#include "rms.h"

typedef struct {
    int64_t rows, tokens, parts, rotated, heads, width;
    int64_t row_of_cos; /* how many lines of cosines a row has for itself; 0: all rows have the same */
    int format;
    float epsilon;
} sizes;

/* Numbers of the second half behind those of the first, each times its cosine plus the other times its sine. */
static inline void rotate(float *restrict line, float *restrict room, const float *cos, const float *sin,
                          int64_t width) {
    int64_t half = width / 2;
    for (int64_t i = 0; i < half; i++) {
        room[i] = line[i] * cos[i] + line[i + half] * sin[i];
        room[i + half] = line[i + half] * cos[i + half] + line[i] * sin[i + half];
    }
    for (int64_t i = 0; i < width; i++) line[i] = room[i];
}

static inline void rotate_back(float *restrict line, float *restrict room, const float *cos, const float *sin,
                               int64_t width) {
    int64_t half = width / 2;
    for (int64_t i = 0; i < half; i++) {
        room[i] = line[i] * cos[i] + line[i + half] * sin[i + half];
        room[i + half] = line[i + half] * cos[i + half] + line[i] * sin[i];
    }
    for (int64_t i = 0; i < width; i++) line[i] = room[i];
}

static inline void load_with_bias(float *restrict line, const void *x, const float *bias, int64_t token,
                                  int64_t head, const sizes *of) {
    int64_t width = of->width;
    load(line, x, (token * of->parts * of->heads + head) * width, width, of->format);
    for (int64_t i = 0; bias && i < width; i++) line[i] += bias[head * width + i];
}

void rlm_heads(void *const *out, float *scales, const void *x, const float *bias, const float *gain, const float *cos,
               const float *sin, const sizes *of, int threads) {
    int64_t width = of->width, heads = of->heads;
    LINES(of->rows * of->tokens) {
        int64_t row = at / of->tokens, token = at % of->tokens, place = (row * of->row_of_cos + token) * width;
        float line[width], room[width];
        for (int64_t part = 0; part < of->parts; part++)
            for (int64_t head = 0; head < heads; head++) {
                load_with_bias(line, x, bias, at, part * heads + head, of);
                if (part < of->rotated && scales) {
                    float scale = scales[(at * of->rotated + part) * heads + head] =
                        inverse_rms(line, width, of->epsilon);
                    for (int64_t i = 0; i < width; i++) line[i] *= scale;
                    for (int64_t i = 0; gain && i < width; i++) line[i] *= gain[i];
                }
                if (part < of->rotated && cos) rotate(line, room, cos + place, sin + place, width);
                save(out[part], ((row * heads + head) * of->tokens + token) * width, line, width, of->format);
            }
    }
}

/* of_bias (groups, parts * heads * width) and of_gain (groups, width): sums over each of so many groups of tokens. */
void rlm_heads_gradient(void *of_x, float *of_bias, float *of_gain, const void *const *g, const float *scales,
                        const void *x, const float *bias, const float *gain, const float *cos, const float *sin,
                        const sizes *of, int64_t groups, int threads) {
    int64_t width = of->width, heads = of->heads, all = of->parts * heads * width, count = of->rows * of->tokens;
    LINES(groups) {
        float line[width], gradient[width], room[width];
        for (int64_t i = 0; bias && i < all; i++) of_bias[at * all + i] = 0;
        for (int64_t i = 0; gain && i < width; i++) of_gain[at * width + i] = 0;
        for (int64_t r = count * at / groups; r < count * (at + 1) / groups; r++) {
            int64_t row = r / of->tokens, token = r % of->tokens, place = (row * of->row_of_cos + token) * width;
            for (int64_t part = 0; part < of->parts; part++)
                for (int64_t head = 0; head < heads; head++) {
                    int64_t here = part * heads + head;
                    load(gradient, g[part], ((row * heads + head) * of->tokens + token) * width, width, of->format);
                    if (part < of->rotated && cos) rotate_back(gradient, room, cos + place, sin + place, width);
                    if (part < of->rotated && scales) {
                        float scale = scales[(r * of->rotated + part) * heads + head];
                        load_with_bias(line, x, bias, r, here, of);
                        for (int64_t i = 0; gain && i < width; i++) {
                            of_gain[at * width + i] += gradient[i] * line[i] * scale;
                            gradient[i] *= gain[i];
                        }
                        through_rms_norm(gradient, line, width, scale);
                    }
                    for (int64_t i = 0; bias && i < width; i++) of_bias[at * all + here * width + i] += gradient[i];
                    save(of_x, r * all + here * width, gradient, width, of->format);
                }
        }
    }
}
