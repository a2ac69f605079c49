// Softmax attention inside dense blocks on the CPU, arrays [B, n, H, C].
//
//   s_ij = q_i . k_j + b_ij      p_ij = exp(s_ij - L_i)      out_i = sum_j m_ij p_ij v_j
//
// One task computes a block and head. Its keys and values lie transposed in a buffer of the task, so that a row of
// logits is a sum over channels of vectors along j.

#include "kernels.h"

namespace {

template <typename T>
struct Blocks {
  int64_t num_blocks, nodes, heads, channels, value_channels;
  const T *query, *key, *value, *bias;  // bias: null if absent
  int64_t bias_strides[4];              // 0 along axes of size 1
  const bool* mask;                     // [B, n] or [B, n, n]
  bool pairs;
  const uint32_t* words;  // null without dropout
  T keep_scale;
  uint32_t threshold;

  int64_t padded() const { return (nodes + kLanes - 1) / kLanes * kLanes; }
  int64_t at(int64_t b, int64_t i, int64_t h, int64_t size) const { return ((b * nodes + i) * heads + h) * size; }
};

// x[b, :, h] as [C, padded n], zeros behind the nodes.
template <typename T>
void transpose(const Blocks<T>& p, const T* x, int64_t b, int64_t h, int64_t channels, T* to) {
  const int64_t n = p.padded();
  std::fill_n(to, channels * n, T(0));
  for (int64_t j = 0; j < p.nodes; ++j)
    for (int64_t c = 0; c < channels; ++c) to[c * n + j] = x[p.at(b, j, h, channels) + c];
}

// to[j] = sum_c x[c] y[c, j]
template <typename T>
void products(const T* x, const T* y, int64_t channels, int64_t n, T* to) {
  for (int64_t j = 0; j < n; j += kLanes) {
    typename Lanes<T, kLanes>::type sum{};
    for (int64_t c = 0; c < channels; ++c) sum += x[c] * load<kLanes>(y + c * n + j);
    store(to + j, sum);
  }
}

// The logits of row i; -inf where a pair may not attend and behind the nodes. False if none may.
template <typename T>
bool logits(const Blocks<T>& p, int64_t b, int64_t h, int64_t i, const T* keys, T* s) {
  const T infinity = std::numeric_limits<T>::infinity();
  if (!p.pairs && !p.mask[b * p.nodes + i]) return false;
  products(p.query + p.at(b, i, h, p.channels), keys, p.channels, p.padded(), s);
  if (p.bias) {
    const T* row = p.bias + b * p.bias_strides[0] + h * p.bias_strides[1] + i * p.bias_strides[2];
    for (int64_t j = 0; j < p.nodes; ++j) s[j] += row[j * p.bias_strides[3]];
  }
  const bool* may = p.mask + (p.pairs ? (b * p.nodes + i) * p.nodes : b * p.nodes);
  for (int64_t j = 0; j < p.nodes; ++j) s[j] = may[j] ? s[j] : -infinity;
  std::fill(s + p.nodes, s + p.padded(), -infinity);
  return true;
}

// The factors of dropout of row i: the hash of the place in [B, H, n, n].
template <typename T>
void keep(const Blocks<T>& p, int64_t b, int64_t h, int64_t i, T* m) {
  for (int64_t j = 0; j < p.nodes; ++j) {
    const uint32_t place = uint32_t(((b * p.heads + h) * p.nodes + i) * p.nodes + j);
    m[j] = mix(mix(place ^ p.words[0]) + p.words[1]) >= p.threshold ? p.keep_scale : T(0);
  }
}

template <typename T, int B>
void forward(ffi::ThreadPool pool, const Blocks<T>& p, T* out, T* logsumexp) {
  const int64_t n = p.padded(), C = p.value_channels;
  const T infinity = std::numeric_limits<T>::infinity();
  parallel_for(pool, p.num_blocks * p.heads, [&](int64_t task) {
    const int64_t b = task / p.heads, h = task % p.heads;
    std::vector<T> keys(p.channels * n), s(n), m(n);
    transpose(p, p.key, b, h, p.channels, keys.data());
    for (int64_t i = 0; i < p.nodes; ++i) {
      T *to = out + p.at(b, i, h, C), *l = logsumexp + p.at(b, i, h, 1);
      std::fill_n(to, C, T(0)), *l = infinity;
      if (!logits(p, b, h, i, keys.data(), s.data())) continue;
      T top = -infinity, total = 0;
      for (int64_t j = 0; j < n; ++j) top = std::max(top, s[j]);
      if (top == -infinity) top = 0;
      for (int64_t j = 0; j < n; ++j) s[j] -= top;
      exponentials(s.data(), n);
      for (int64_t j = 0; j < n; ++j) total += s[j];
      if (total == 0) continue;
      *l = top + std::log(total);
      if (p.words) {
        keep(p, b, h, i, m.data());
        for (int64_t j = 0; j < p.nodes; ++j) s[j] *= m[j];
      }
      for (int64_t c = 0; c < C; c += B) {
        typename Lanes<T, B>::type sum{};
        for (int64_t j = 0; j < p.nodes; ++j) sum += s[j] * load<B>(p.value + p.at(b, j, h, C) + c);
        store(to + c, sum * (1 / total));
      }
    }
  });
}

template <typename T, int B>
void backward(ffi::ThreadPool pool, const Blocks<T>& p, const T* logsumexp, const T* g, const T* d, T* d_query,
              T* d_key, T* d_value, T* d_bias) {
  const int64_t n = p.padded(), K = p.channels, C = p.value_channels;
  parallel_for(pool, p.num_blocks * p.heads, [&](int64_t task) {
    const int64_t b = task / p.heads, h = task % p.heads;
    std::vector<T> keys(K * n), values(C * n), s(n), along(n), m(n, T(1));
    transpose(p, p.key, b, h, K, keys.data()), transpose(p, p.value, b, h, C, values.data());
    for (int64_t j = 0; j < p.nodes; ++j) {
      std::fill_n(d_query + p.at(b, j, h, K), K, T(0)), std::fill_n(d_key + p.at(b, j, h, K), K, T(0));
      std::fill_n(d_value + p.at(b, j, h, C), C, T(0));
    }
    for (int64_t i = 0; i < p.nodes; ++i) {
      if (!logits(p, b, h, i, keys.data(), s.data())) continue;
      const T *gi = g + p.at(b, i, h, C), *q = p.query + p.at(b, i, h, K);
      const T l = logsumexp[p.at(b, i, h, 1)], di = d[p.at(b, i, h, 1)];
      products(gi, values.data(), C, n, along.data());
      if (p.words) keep(p, b, h, i, m.data());
      for (int64_t j = 0; j < n; ++j) s[j] -= l;
      exponentials(s.data(), n);
      for (int64_t j = 0; j < n; ++j) {  // along becomes ds, m becomes m p
        along[j] = s[j] * (m[j] * along[j] - di);
        s[j] *= m[j];
      }
      if (d_bias) std::copy_n(along.data(), p.nodes, d_bias + ((b * p.heads + h) * p.nodes + i) * p.nodes);
      for (int64_t c = 0; c < K; c += B) {
        typename Lanes<T, B>::type sum{}, qc = load<B>(q + c);
        for (int64_t j = 0; j < p.nodes; ++j) {
          const int64_t at = p.at(b, j, h, K) + c;
          sum += along[j] * load<B>(p.key + at);
          store(d_key + at, load<B>(d_key + at) + along[j] * qc);
        }
        store(d_query + p.at(b, i, h, K) + c, sum);
      }
      for (int64_t j = 0; j < p.nodes; ++j) add_scaled<B>(d_value + p.at(b, j, h, C), s[j], gi, C);
    }
  });
}

template <typename T>
Blocks<T> blocks_of(const Buffer& query, const Buffer& key, const Buffer& value, const Buffer& bias,
                    const Buffer& mask, const Buffer& words, int64_t threshold, double keep_scale) {
  auto sizes = query.dimensions();
  Blocks<T> p{sizes[0], sizes[1], sizes[2], sizes[3], value.dimensions()[3]};
  p.query = data<const T>(query), p.key = data<const T>(key), p.value = data<const T>(value);
  p.bias = optional<const T>(bias);
  for (int64_t axis = 3, stride = 1; p.bias && axis >= 0; --axis) {
    p.bias_strides[axis] = bias.dimensions()[axis] > 1 ? stride : 0;
    stride *= bias.dimensions()[axis];
  }
  p.mask = data<const bool>(mask), p.pairs = mask.dimensions().size() == 3;
  p.words = optional<const uint32_t>(words), p.threshold = uint32_t(threshold), p.keep_scale = T(keep_scale);
  return p;
}

ffi::Error Forward(ffi::ThreadPool pool, Buffer query, Buffer key, Buffer value, Buffer bias, Buffer mask,
                   Buffer words, Result out, Result logsumexp, int64_t threshold, double keep_scale) {
  with_dtype(query, [&](auto zero) {
    using T = decltype(zero);
    auto p = blocks_of<T>(query, key, value, bias, mask, words, threshold, keep_scale);
    with_lanes(0, p.value_channels, [&](auto lanes) {
      forward<T, decltype(lanes)::value>(pool, p, data<T>(*out), data<T>(*logsumexp));
    });
  });
  return ffi::Error::Success();
}

ffi::Error Backward(ffi::ThreadPool pool, Buffer query, Buffer key, Buffer value, Buffer bias, Buffer mask,
                    Buffer words, Buffer logsumexp, Buffer g, Buffer d, Result d_query, Result d_key, Result d_value,
                    Result d_bias, int64_t threshold, double keep_scale) {
  with_dtype(query, [&](auto zero) {
    using T = decltype(zero);
    auto p = blocks_of<T>(query, key, value, bias, mask, words, threshold, keep_scale);
    with_lanes(p.channels, p.value_channels, [&](auto lanes) {
      backward<T, decltype(lanes)::value>(pool, p, data<const T>(logsumexp), data<const T>(g), data<const T>(d),
                                          data<T>(*d_query), data<T>(*d_key), data<T>(*d_value), zeroed<T>(*d_bias));
    });
  });
  return ffi::Error::Success();
}

}  // namespace

#define OPERANDS Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()
#define OPTIONS Attr<int64_t>("threshold").Attr<double>("keep_scale")

XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_block_forward, Forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().OPERANDS.Ret<Buffer>().Ret<Buffer>().OPTIONS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_block_backward, Backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().OPERANDS.Arg<Buffer>().Arg<Buffer>()
                                  .Arg<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().OPTIONS);
