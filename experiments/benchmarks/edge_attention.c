// Attention by dot product over the edges of each receiver, the obvious way: the yardstick of the benchmarks.
// Edges are sorted by receiver, those of node i are [start[i], start[i + 1]). Rows are [heads, channels].

#include <math.h>
#include <stdint.h>

void edge_attention(int64_t nodes, int64_t heads, int64_t channels, const int32_t *restrict start,
                    const int32_t *restrict senders, const float *restrict query, const float *restrict key,
                    const float *restrict value, float *restrict weights, float *restrict out) {
    const int64_t row = heads * channels;
    const float scale = 1.0f / sqrtf((float)channels);
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = 0; i < nodes; i++) {
        const float *q = query + i * row;
        float *o = out + i * row;
        for (int64_t e = start[i]; e < start[i + 1]; e++) {
            const float *k = key + senders[e] * row;
            for (int64_t h = 0; h < heads; h++) {
                float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
                for (int64_t c = h * channels; c < (h + 1) * channels; c++) dot += q[c] * k[c];
                weights[e * heads + h] = dot * scale;
            }
        }
        for (int64_t h = 0; h < heads; h++) {
            float largest = -INFINITY, sum = 0.0f;
            for (int64_t e = start[i]; e < start[i + 1]; e++)
                if (weights[e * heads + h] > largest) largest = weights[e * heads + h];
            for (int64_t e = start[i]; e < start[i + 1]; e++) {
                float *w = weights + e * heads + h;
                sum += *w = expf(*w - largest);
            }
            for (int64_t e = start[i]; e < start[i + 1]; e++) weights[e * heads + h] /= sum;
        }
        for (int64_t c = 0; c < row; c++) o[c] = 0.0f;
        for (int64_t e = start[i]; e < start[i + 1]; e++) {
            const float *v = value + senders[e] * row;
            for (int64_t h = 0; h < heads; h++) {
                const float w = weights[e * heads + h];
                for (int64_t c = h * channels; c < (h + 1) * channels; c++) o[c] += w * v[c];
            }
        }
    }
}
