/* RMS norms of lines, and their gradient, in one pass over memory each.

   norm.py has their formulas. Numbers are float32 or bfloat16, as a `format` says; every sum is in float32. Lines of
   `width` numbers follow each other in memory. The lines are divided among threads; a result does not depend on their
   number. */

#include "lines.h"
#include "rms.h"

void rlm_norm(void *out, int out_format, float *scales, const void *x, int format, const float *gain,
              int64_t lines, int64_t width, float epsilon, int threads) {
    LINES(lines) {
        float line[width];
        load(line, x, at * width, width, format);
        float scale = scales[at] = inverse_rms(line, width, epsilon);
        if (gain)
            for (int64_t i = 0; i < width; i++) line[i] *= scale * gain[i];
        else
            for (int64_t i = 0; i < width; i++) line[i] *= scale;
        save(out, at * width, line, width, out_format);
    }
}

/* of_gain (parts, width): the sum over each part of the lines. */
void rlm_norm_gradient(void *of_x, float *of_gain, const void *g, int g_format, const void *x, int format,
                       const float *scales, const float *gain, int64_t lines, int64_t width, int64_t parts, int threads) {
    LINES(parts) {
        float line[width], gradient[width];
        for (int64_t i = 0; gain && i < width; i++) of_gain[at * width + i] = 0;
        for (int64_t r = lines * at / parts; r < lines * (at + 1) / parts; r++) {
            load(line, x, r * width, width, format);
            load(gradient, g, r * width, width, g_format);
            if (gain)
                for (int64_t i = 0; i < width; i++) {
                    of_gain[at * width + i] += gradient[i] * line[i] * scales[r];
                    gradient[i] *= gain[i];
                }
            through_rms_norm(gradient, line, width, scales[r]);
            save(of_x, r * width, gradient, width, format);
        }
    }
}
