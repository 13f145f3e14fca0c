/* Draws the next token of every row from its logits, as models/generation/sampling.py does. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "exponential.h"
#include "highest.h"

#define DIGITS 256
#define FEW 64 /* candidates for which counting digits takes longer than comparing each with all */

typedef struct {
    uint32_t bits; /* of its power, which is positive: greater bits, greater power */
    int32_t id;
} candidate;

/* What draw.py hands over. */
typedef struct {
    const float *logits;  /* (rows, vocabulary), the rows `stride` apart */
    const float *changed; /* (rows, vocabulary): those to draw from, in memory without gaps. NULL: the logits */
    int64_t rows, vocabulary, stride;
    const int64_t *forbidden; /* ids that are never drawn */
    int64_t forbidden_count;
    double top_p;
    float temperature, min_p; /* a temperature of 0 takes the most likely token */
    int64_t top_k;
    const double *numbers; /* (rows,): uniform, from 0 to 1 */
    int64_t *tokens;       /* (rows,), the result: -1 where logits are not finite */
    float *probabilities;  /* (rows,): of the tokens, in `logits` at a temperature of 1 */
    float *distributions;  /* (rows, vocabulary): those of all tokens. NULL: nobody asks */
    float *powers, *others; /* room for `vocabulary` each */
    double *cumulative;     /* the same */
    candidate *candidates; /* room for twice as many */
} drawing;

/* values (n,) = logits (n,), but -infinity for forbidden ids. It returns the highest. */
static float allowed(const drawing *all, const float *logits, float *values) {
    memcpy(values, logits, all->vocabulary * sizeof(float));
    for (int64_t i = 0; i < all->forbidden_count; i++) values[all->forbidden[i]] = -INFINITY;
    return highest_of(values, all->vocabulary);
}

static float power(float logit, float highest, float temperature) {
    float x = (logit - highest) / temperature;
    return x < -87.0f ? 0.0f : exponential(x);
}

/* values (n,) become probabilities in proportion, 1 for the highest. It returns their sum, which is not finite if
   a value was not a number or infinite. */
static double to_powers(float *values, int64_t n, float highest, float temperature) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        values[i] = power(values[i], highest, temperature);
        sum += values[i];
    }
    return sum;
}

/* Sort by power, the greatest first; equal ones stay in their order. It returns the one of the two arrays that
   has the result. */
static candidate *sorted(candidate *from, candidate *to, int64_t n) {
    if (n <= FEW) {
        for (int32_t i = 0; i < n; i++) {
            int32_t before = 0;
            for (int32_t j = 0; j < n; j++)
                before += (from[j].bits > from[i].bits) | ((from[j].bits == from[i].bits) & (j < i));
            to[before] = from[i];
        }
        return to;
    }
    for (int shift = 0; shift < 32; shift += 8) {
        int64_t starts[DIGITS + 1] = {0};
        for (int64_t i = 0; i < n; i++) starts[DIGITS - (from[i].bits >> shift) % DIGITS]++;
        for (int digit = 1; digit < DIGITS; digit++) starts[digit] += starts[digit - 1];
        for (int64_t i = 0; i < n; i++) to[starts[DIGITS - 1 - (from[i].bits >> shift) % DIGITS]++] = from[i];
        candidate *other = from;
        from = to, to = other;
    }
    return from;
}

static float power_of(candidate one) {
    union { uint32_t bits; float number; } power = {.bits = one.bits};
    return power.number;
}

/* The first place at which the ascending sums (n,) are above `least`, or reach it where `equal`; n without one. */
static int64_t first_above(const double *sums, int64_t n, double least, int equal) {
    int64_t i = 0;
    while (i < n && (equal ? sums[i] < least : sums[i] <= least)) i++;
    return i;
}

/* The token on which `number` falls, by powers (vocabulary,) that add up to `sum`. sampling.py says what each filter
   keeps. */
static int64_t drawn(const drawing *all, const float *powers, double sum, double number) {
    double *cumulative = all->cumulative;
    int64_t count = 0, n = all->vocabulary;
    /* Tokens below a share of 1 - p of the mean hold less than 1 - p together. */
    double least = all->top_k ? 0 : fmax((1 - all->top_p) * sum / n, all->min_p);
    for (int64_t i = 0; i < n; i++)
        if (powers[i] > 0 && powers[i] >= least) {
            memcpy(&all->candidates[count].bits, powers + i, sizeof(float));
            all->candidates[count++].id = i;
        }
    candidate *order = sorted(all->candidates, all->candidates + n, count);
    if (all->top_k && all->top_k < count)
        for (int64_t i = all->top_k; i < count; i++)
            if (order[i].bits < order[all->top_k - 1].bits) count = i;
    double total = 0;
    for (int64_t i = 0; i < count; i++) cumulative[i] = total += power_of(order[i]);
    if (all->top_p < 1) count = 1 + first_above(cumulative, count - 1, all->top_p * (all->top_k ? total : sum), 1);
    while (count > 1 && power_of(order[count - 1]) < all->min_p) count--;
    return order[first_above(cumulative, count - 1, number * cumulative[count - 1], 0)].id;
}

/* A token of one row, or -1 where logits are not finite. */
static int64_t token_of_row(const drawing *all, int64_t r) {
    int64_t n = all->vocabulary, token = -1;
    const float *logits = all->logits + r * all->stride;
    double total = to_powers(all->powers, n, allowed(all, logits, all->powers), 1);
    if (!isfinite(total)) return -1;
    if (!all->changed && all->temperature == 1)
        token = drawn(all, all->powers, total, all->numbers[r]);
    else {
        float *others = all->others, highest = allowed(all, all->changed ? all->changed + r * n : logits, others);
        if (all->temperature == 0)
            while (others[++token] < highest) {}
        else {
            double sum = to_powers(others, n, highest, all->temperature);
            if (!isfinite(sum)) return -1;
            token = drawn(all, others, sum, all->numbers[r]);
        }
    }
    all->probabilities[r] = all->powers[token] / total;
    if (all->distributions)
        for (int64_t i = 0; i < n; i++) all->distributions[r * n + i] = all->powers[i] / total;
    return token;
}

void rlm_draw(const drawing *all) {
    for (int64_t r = 0; r < all->rows; r++) all->tokens[r] = token_of_row(all, r);
}

int64_t rlm_drawing_size(void) { return sizeof(drawing); }
