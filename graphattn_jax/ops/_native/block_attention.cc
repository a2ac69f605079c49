// Softmax attention inside dense blocks on the CPU, arrays [B, n, H, C], or [N, H, C] with the row of every slot.
//
//   s_ij = q_i . k_j + b_ij      p_ij = exp(s_ij - L_i)      out_i = sum_j m_ij p_ij v_j
//
// One task computes a block and head, kRows receivers at a time, up to the last slot that takes part. Keys and values
// also lie transposed in a buffer of the task, so that a row of logits is a sum over channels of vectors along j.
//
// What is not finite at a node is for those who may attend to it: with a mask of pairs, a sum over the rows of a task
// that has such leaves out weights of 0, for 0 * NaN is not 0.

#include "kernels.h"

namespace {

template <typename T>
struct Blocks {
  int64_t num_blocks, nodes, heads, channels, value_channels;
  const T *query, *key, *value, *bias;  // bias: null if absent
  int64_t bias_strides[4];              // 0 along axes of size 1
  const bool* mask;                     // [B, n] or [B, n, n]
  bool pairs;
  const int32_t* node;  // the rows of the slots, [B, n]; null: one after the other. num_rows: no row
  int64_t num_rows;
  const uint32_t* words;  // null without dropout
  T keep_scale;
  uint32_t threshold;

  int64_t row(int64_t b, int64_t i) const { return node ? node[b * nodes + i] : b * nodes + i; }
  // Slots of block b in front of those that neither attend nor are attended to.
  int64_t used(int64_t b) const {
    int64_t n = 0;
    for (int64_t i = 0; i < nodes; ++i) {
      if (!pairs && mask[b * nodes + i]) n = i + 1;
      for (int64_t j = 0; pairs && j < nodes; ++j)
        if (mask[(b * nodes + i) * nodes + j]) n = std::max(n, std::max(i, j) + 1);
    }
    for (int64_t i = 0; i < n; ++i)
      if (row(b, i) >= num_rows) n = i;
    return n;
  }
};

constexpr int kRows = 4;

// A task: block b and head h, with its buffers.
template <typename T>
struct Task {
  const Blocks<T>& p;
  int64_t b, h, n, padded;       // n: slots in use; padded: rounded up to vectors
  std::vector<T> none, s, m;     // a row of zeros; logits, then weights, of kRows receivers; factors of dropout
  std::vector<T> closed;         // -inf where a sender may not be attended to and behind the nodes, else 0
  std::vector<int64_t> places;   // of the slots in use and this head, in rows of channels
  bool wild = false;             // whether sums leave out weights of 0

  Task(const Blocks<T>& p, int64_t task)
      : p(p), b(task / p.heads), h(task % p.heads), n(p.used(b)), padded((n + kLanes - 1) / kLanes * kLanes),
        none(std::max(p.channels, p.value_channels)), s(kRows * padded), m(padded), closed(padded), places(n) {
    for (int64_t i = 0; i < n; ++i) places[i] = p.row(b, i) * p.heads + h;
    ask_for(p.key, p.channels), ask_for(p.value, p.value_channels), ask_for(p.query, p.channels);
    if (!p.pairs) close(p.mask + b * p.nodes);
    look_at(p.query, p.channels), look_at(p.key, p.channels), look_at(p.value, p.value_channels);
  }

  // Whether rows that go into sums are finite.
  void look_at(const T* x, int64_t size) {
    if (!p.pairs || wild) return;
    for (int64_t i = 0; i < n && !wild; ++i)
      wild = !std::all_of(row(x, i, size), row(x, i, size) + size, [](T v) { return std::isfinite(v); });
  }

  template <typename X>
  X* row(X* x, int64_t i, int64_t size) const { return x + places[i] * size; }

  // Another core may have written the rows: ask for all of them, instead of waiting for one after the other.
  void ask_for(const T* x, int64_t size) const {
    for (int64_t i = 0; i < n; ++i) prefetch(row(x, i, size), size);
  }

  // x[b, :n, h] as [size, padded], zeros behind the nodes.
  std::vector<T> transposed(const T* x, int64_t size) const {
    std::vector<T> to(size * padded);
    for (int64_t j = 0; j < n; ++j)
      for (int64_t c = 0; c < size; ++c) to[c * padded + j] = row(x, j, size)[c];
    return to;
  }

  // Rows i, ..., i + kRows of x; zeros behind the nodes.
  void rows(const T* x, int64_t i, int64_t size, const T** to) const {
    for (int r = 0; r < kRows; ++r) to[r] = i + r < n ? row(x, i + r, size) : none.data();
  }

  // to[r, j] = sum_c x[r][c] y[c, j]
  void products(const T** x, const T* y, int64_t size, T* to) const {
    for (int64_t j = 0; j < padded; j += kLanes) {
      typename Lanes<T, kLanes>::type sum[kRows]{};
      for (int64_t c = 0; c < size; ++c) {
        const auto yc = load<kLanes>(y + c * padded + j);
        for (int r = 0; r < kRows; ++r) sum[r] += x[r][c] * yc;
      }
      for (int r = 0; r < kRows; ++r) store(to + r * padded + j, sum[r]);
    }
  }

  // sum += w x
  template <bool kWild, typename V>
  static void add(V& sum, T w, const V& x) {
    if (!kWild || w != 0) sum += w * x;
  }

  // to[r] = sum_j w[r, j] x[j], for the rows of nodes
  template <int B>
  void sums(const T* w, const T* x, int64_t size, T* to, int64_t i) const {
    wild ? sums<B, true>(w, x, size, to, i) : sums<B, false>(w, x, size, to, i);
  }
  template <int B, bool kWild>
  void sums(const T* w, const T* x, int64_t size, T* to, int64_t i) const {
    for (int64_t c = 0; c < size; c += B) {
      typename Lanes<T, B>::type sum[kRows]{};
      for (int64_t j = 0; j < n; ++j) {
        const auto xj = load<B>(row(x, j, size) + c);
        for (int r = 0; r < kRows; ++r) add<kWild>(sum[r], w[r * padded + j], xj);
      }
      for (int r = 0; r < kRows && i + r < n; ++r) store(row(to, i + r, size) + c, sum[r]);
    }
  }

  // to[j] += sum_r w[r, j] x[r]
  template <int B>
  void add_sums(const T* w, const T** x, int64_t size, T* to) const {
    wild ? add_sums<B, true>(w, x, size, to) : add_sums<B, false>(w, x, size, to);
  }
  template <int B, bool kWild>
  void add_sums(const T* w, const T** x, int64_t size, T* to) const {
    for (int64_t c = 0; c < size; c += B) {
      typename Lanes<T, B>::type xs[kRows];
      for (int r = 0; r < kRows; ++r) xs[r] = load<B>(x[r] + c);
      for (int64_t j = 0; j < n; ++j) {
        T* at = row(to, j, size) + c;
        auto sum = load<B>(at);
        for (int r = 0; r < kRows; ++r) add<kWild>(sum, w[r * padded + j], xs[r]);
        store(at, sum);
      }
    }
  }

  void close(const bool* may) {
    for (int64_t j = 0; j < padded; ++j) closed[j] = j < n && may[j] ? T(0) : -std::numeric_limits<T>::infinity();
  }

  // s = the logits of rows i, ...; -inf where a pair may not attend and behind the nodes.
  void logits(int64_t i, const T** queries, const T* keys) {
    const T infinity = std::numeric_limits<T>::infinity();
    products(queries, keys, p.channels, s.data());
    for (int r = 0; r < kRows; ++r) {
      T* to = s.data() + r * padded;
      if (i + r >= n || (!p.pairs && !p.mask[b * p.nodes + i + r])) {
        std::fill_n(to, padded, -infinity);
        continue;
      }
      if (p.bias) {
        const T* bias = p.bias + b * p.bias_strides[0] + h * p.bias_strides[1] + (i + r) * p.bias_strides[2];
        for (int64_t j = 0; j < n; ++j) to[j] += bias[j * p.bias_strides[3]];
      }
      if (p.pairs) close(p.mask + (b * p.nodes + i + r) * p.nodes);
      for (int64_t j = 0; j < padded; j += kLanes) {
        const auto shut = load<kLanes>(closed.data() + j), l = load<kLanes>(to + j);
        store(to + j, shut < 0 ? shut : l);
      }
    }
  }

  // The factors of dropout of row i: the hash of the place in [B, H, n, n].
  void keep(int64_t i) {
    for (int64_t j = 0; j < n; ++j) {
      const uint32_t place = uint32_t(((b * p.heads + h) * p.nodes + i) * p.nodes + j);
      m[j] = mix(mix(place ^ p.words[0]) + p.words[1]) >= p.threshold ? p.keep_scale : T(0);
    }
  }
};

template <typename T, int B>
void forward(ffi::ThreadPool pool, const Blocks<T>& p, T* out, T* logsumexp) {
  const int64_t C = p.value_channels, num_rows = p.num_rows * p.heads;
  const T infinity = std::numeric_limits<T>::infinity();
  std::fill_n(out, num_rows * C, T(0)), std::fill_n(logsumexp, num_rows, infinity);  // of rows that no task writes
  parallel_for(pool, p.num_blocks * p.heads, [&](int64_t task) {
    Task<T> t(p, task);
    const auto keys = t.transposed(p.key, p.channels);
    const T* queries[kRows];
    for (int64_t i = 0; i < t.n; i += kRows) {
      t.rows(p.query, i, p.channels, queries);
      t.logits(i, queries, keys.data());
      for (int r = 0; r < kRows; ++r) {
        T *s = t.s.data() + r * t.padded, top = largest(s, t.padded), total = 0;
        if (top == -infinity) top = 0;
        for (int64_t j = 0; j < t.padded; ++j) s[j] -= top;
        exponentials(s, t.padded);
        for (int64_t j = 0; j < t.padded; ++j) total += s[j];
        const T share = total == 0 ? T(0) : 1 / total;
        if (i + r < t.n) *t.row(logsumexp, i + r, 1) = total == 0 ? infinity : top + std::log(total);
        for (int64_t j = 0; j < t.n; ++j) s[j] *= share;
        if (p.words && i + r < t.n) {
          t.keep(i + r);
          for (int64_t j = 0; j < t.n; ++j) s[j] *= t.m[j];
        }
      }
      t.template sums<B>(t.s.data(), p.value, C, out, i);
    }
  });
}

template <typename T, int B>
void backward(ffi::ThreadPool pool, const Blocks<T>& p, const T* logsumexp, const T* g, const T* d, T* d_query,
              T* d_key, T* d_value, T* d_bias) {
  const int64_t K = p.channels, C = p.value_channels;
  const T infinity = std::numeric_limits<T>::infinity();
  parallel_for(pool, p.num_blocks * p.heads, [&](int64_t task) {
    Task<T> t(p, task);
    t.ask_for(g, C), t.look_at(g, C);
    const auto keys = t.transposed(p.key, K), values = t.transposed(p.value, C);
    std::vector<T> along(kRows * t.padded);
    const T *queries[kRows], *gs[kRows];
    std::fill(t.m.begin(), t.m.end(), T(1));
    for (int64_t i = 0; i < t.n; i += kRows) {
      t.rows(p.query, i, K, queries), t.rows(g, i, C, gs);
      t.logits(i, queries, keys.data());
      t.products(gs, values.data(), C, along.data());
      for (int r = 0; r < kRows; ++r) {
        T *s = t.s.data() + r * t.padded, *a = along.data() + r * t.padded;
        const T l = i + r < t.n ? *t.row(logsumexp, i + r, 1) : T(0), di = i + r < t.n ? *t.row(d, i + r, 1) : T(0);
        for (int64_t j = 0; j < t.padded; ++j) s[j] = s[j] == -infinity ? s[j] : s[j] - l;
        exponentials(s, t.padded);
        if (p.words && i + r < t.n) t.keep(i + r);
        for (int64_t j = 0; j < t.padded; ++j) {  // a becomes ds, s becomes m p
          a[j] = s[j] == 0 ? T(0) : s[j] * (t.m[j] * a[j] - di);
          s[j] *= t.m[j];
        }
        if (d_bias && i + r < t.n) std::copy_n(a, t.n, d_bias + (task * p.nodes + i + r) * p.nodes);
      }
      t.template sums<B>(along.data(), p.key, K, d_query, i);
      t.template add_sums<B>(along.data(), queries, K, d_key);
      t.template add_sums<B>(t.s.data(), gs, C, d_value);
    }
  });
}

template <typename T>
Blocks<T> blocks_of(const Buffer& query, const Buffer& key, const Buffer& value, const Buffer& bias,
                    const Buffer& mask, const Buffer& words, const Buffer& node, int64_t threshold,
                    double keep_scale) {
  auto sizes = query.dimensions(), blocks = mask.dimensions();
  Blocks<T> p{blocks[0], blocks[1], sizes[sizes.size() - 2], sizes.back(), value.dimensions().back()};
  p.node = optional<const int32_t>(node), p.num_rows = p.node ? sizes[0] : blocks[0] * blocks[1];
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
                   Buffer words, Buffer node, Result out, Result logsumexp, int64_t threshold, double keep_scale) {
  with_dtype(query, [&](auto zero) {
    using T = decltype(zero);
    auto p = blocks_of<T>(query, key, value, bias, mask, words, node, threshold, keep_scale);
    with_lanes(0, p.value_channels, [&](auto lanes) {
      forward<T, decltype(lanes)::value>(pool, p, data<T>(*out), data<T>(*logsumexp));
    });
  });
  return ffi::Error::Success();
}

ffi::Error Backward(ffi::ThreadPool pool, Buffer query, Buffer key, Buffer value, Buffer bias, Buffer mask,
                    Buffer words, Buffer node, Buffer logsumexp, Buffer g, Buffer d, Result d_query, Result d_key, Result d_value,
                    Result d_bias, int64_t threshold, double keep_scale) {
  with_dtype(query, [&](auto zero) {
    using T = decltype(zero);
    auto p = blocks_of<T>(query, key, value, bias, mask, words, node, threshold, keep_scale);
    with_lanes(p.channels, p.value_channels, [&](auto lanes) {
      backward<T, decltype(lanes)::value>(pool, p, data<const T>(logsumexp), data<const T>(g), data<const T>(d),
                                          zeroed<T>(*d_query), zeroed<T>(*d_key), zeroed<T>(*d_value), zeroed<T>(*d_bias));
    });
  });
  return ffi::Error::Success();
}

}  // namespace

#define OPERANDS \
  Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()
#define OPTIONS Attr<int64_t>("threshold").Attr<double>("keep_scale")

XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_block_forward, Forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().OPERANDS.Ret<Buffer>().Ret<Buffer>().OPTIONS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_block_backward, Backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().OPERANDS.Arg<Buffer>().Arg<Buffer>()
                                  .Arg<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().OPTIONS);
