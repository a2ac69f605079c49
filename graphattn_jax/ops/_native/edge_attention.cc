// Sparse attention on the CPU, through XLA's foreign function interface. Arrays are float32 or float64, row-major.
//
//   s_e = score(q_i, k_j, edge_e) + b_e      p_e = exp(s_e - L_i)      out_i = sum_e m_e p_e v_j
//   d_e = p_e (m_e g_i . v_j - d_i)          the derivative of s_e; see _fused.py
//
// for an edge e from j to i. Forward is one pass over the rows (receivers). Backward, one pass over the rows computes d_e
// and m_e p_e again and gives everything but the gradients of key and value; one over the columns (senders) gives those
// two from the numbers of the first. Every row of a result is written by one thread: no atomics, and the same bits
// whatever the number of threads.

#include "kernels.h"
#include "tiles.h"

namespace {

// --- edges of a row ------------------------------------------------------------------------------------------

// Edges of one row, a few at a time, without empty slots and masked edges.
constexpr int64_t kBatch = 32;
struct Batch {
  int64_t size = 0;
  int32_t slot[kBatch], neighbor[kBatch], edge[kBatch];
};

// Calls f with every batch of a row.
template <typename F>
inline void each_batch(const Tiles& tiles, int64_t row, int64_t num_edges, const bool* where, const F& f) {
  Batch batch;
  const int64_t end = tiles.start[row + 1] * tiles.width;
  for (int64_t slot = tiles.start[row] * tiles.width; slot < end; ++slot) {
    const int32_t e = tiles.edge[slot];
    if (e >= num_edges) break;  // only the last tile of a row has empty slots, at the end
    if (where && !where[e]) continue;
    batch.slot[batch.size] = int32_t(slot), batch.neighbor[batch.size] = tiles.neighbor[slot];
    batch.edge[batch.size++] = e;
    if (batch.size == kBatch) f(batch), batch.size = 0;
  }
  if (batch.size) f(batch);
}

// --- the score ---------------------------------------------------------------------------------------------

enum Score { kDot, kAdditive, kGATv2 };

template <typename T>
struct Problem {
  int64_t num_edges, heads, channels, value_channels;
  const T *query, *key, *value, *edge, *vector, *bias;  // edge, vector, bias: null if absent
  const bool* where;                                    // null if absent
  const uint32_t* words;                                // null without dropout
  T slope, keep_scale;
  uint32_t threshold;

  // Without branches, which random signs would mispredict.
  T steepness(T z) const { return slope + (1 - slope) * T(z >= 0); }
  T leaky(T z) const { return z * steepness(z); }
  template <typename V>
  V steepness(V z) const { return z >= 0 ? V{} + 1 : V{} + slope; }
  template <typename V>
  V leaky(V z) const { return z >= 0 ? z : slope * z; }

  // The factors of dropout of a batch.
  void keep(const Batch& batch, T* m) const {
    for (int64_t t = 0; t < batch.size; ++t)
      for (int64_t h = 0; h < heads; ++h) {
        uint32_t bits = mix(mix(uint32_t(batch.edge[t] * heads + h) ^ words[0]) + words[1]);
        *m++ = bits >= threshold ? keep_scale : T(0);
      }
  }

  // The logits of edge e from the rows q and k of its ends.
  template <Score S, int B>
  void logits(const T* q, const T* k, int64_t e, T* s) const {
    const T* x = edge ? edge + e * heads * channels : nullptr;
    if constexpr (S == kAdditive) {
      for (int64_t h = 0; h < heads; ++h) s[h] = q[h] + k[h];
      if (x)
        for (int64_t h = 0; h < heads; ++h) s[h] += x[h];
      for (int64_t h = 0; h < heads; ++h) s[h] = leaky(s[h]);
    } else {
      for (int64_t h = 0, at = 0; h < heads; ++h, at += channels) {
        typename Lanes<T, B>::type sum{};
        for (int64_t c = at; c < at + channels; c += B) {
          if constexpr (S == kDot) {
            auto product = load<B>(q + c) * load<B>(k + c);
            sum += x ? product * load<B>(x + c) : product;
          } else {
            auto z = load<B>(q + c) + load<B>(k + c);
            sum += load<B>(vector + c) * leaky(x ? z + load<B>(x + c) : z);
          }
        }
        s[h] = total_of<B, T>(sum);
      }
    }
    if (bias)
      for (int64_t h = 0; h < heads; ++h) s[h] += bias[e * heads + h];
  }
};

template <typename T>
struct Gradients {
  T *query, *key, *value, *edge, *vector, *bias;  // edge, vector, bias: null if absent
};

// to[h, c] += sum_t w[t, h] x[j_t, h, c], with j_t the neighbours of a batch: sums stay in registers.
template <int B, typename T>
inline void add_rows(const Batch& batch, const T* w, const T* x, int64_t heads, int64_t channels, T* to) {
  const int64_t row = heads * channels;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t c = h * channels; c < (h + 1) * channels; c += B) {
      auto sum = load<B>(to + c);
      for (int64_t t = 0; t < batch.size; ++t) sum += w[t * heads + h] * load<B>(x + batch.neighbor[t] * row + c);
      store(to + c, sum);
    }
}

// d_own += ds times the derivative of the logits of a batch with respect to the node that its edges share, whose row is
// `own`; the rows of the neighbours are in `others`. Every score is symmetric in its ends. From the pass over rows also
// the gradients of the edge terms and the vector.
template <typename T, Score S, int B>
inline void pull(const Problem<T>& p, const Batch& batch, const T* ds, const T* own, const T* others, T* d_own,
                 T* d_edge, T* d_vector) {
  const int64_t H = p.heads, K = p.channels, row = H * K;
  if constexpr (S == kDot)
    if (!p.edge) return add_rows<B>(batch, ds, others, H, K, d_own);
  for (int64_t t = 0; t < batch.size; ++t) {
    const int64_t e = batch.edge[t];
    const T *other = others + batch.neighbor[t] * row, *x = p.edge ? p.edge + e * row : nullptr;
    T* dx = d_edge ? d_edge + e * row : nullptr;
    if constexpr (S == kAdditive) {
      for (int64_t h = 0; h < H; ++h) {
        const T dz = ds[t * H + h] * p.steepness(own[h] + other[h] + (x ? x[h] : T(0)));
        d_own[h] += dz;
        if (dx) dx[h] = dz;
      }
    } else {
      for (int64_t h = 0; h < H; ++h)
        for (int64_t c = h * K; c < (h + 1) * K; c += B) {
          const T slope = ds[t * H + h];
          auto a = load<B>(own + c), b = load<B>(other + c);
          if constexpr (S == kDot) {
            if (dx) store(dx + c, slope * a * b);
            store(d_own + c, load<B>(d_own + c) + slope * b * load<B>(x + c));
          } else {
            auto z = x ? a + b + load<B>(x + c) : a + b;
            auto dz = slope * load<B>(p.vector + c) * p.steepness(z);
            if (dx) store(dx + c, dz);
            if (d_vector) store(d_vector + c, load<B>(d_vector + c) + slope * p.leaky(z));
            store(d_own + c, load<B>(d_own + c) + dz);
          }
        }
    }
  }
}

// --- passes --------------------------------------------------------------------------------------------------

template <typename T, Score S, int B>
void forward(ffi::ThreadPool pool, const Problem<T>& p, const Tiles& tiles, T* out, T* logsumexp) {
  const int64_t H = p.heads, C = p.value_channels, K = S == kAdditive ? 1 : p.channels;
  const T infinity = std::numeric_limits<T>::infinity();
  parallel_for(pool, tiles.chunks(), [&](int64_t chunk) {
    std::vector<T> s(kBatch * H), m(p.words ? kBatch * H : 0), top(H), total(H);
    for (int64_t i = tiles.first_row(chunk); i < tiles.first_row(chunk + 1); ++i) {
      T* out_i = out + i * H * C;
      std::fill_n(out_i, H * C, T(0));
      std::fill(top.begin(), top.end(), -infinity), std::fill(total.begin(), total.end(), T(0));
      each_batch(tiles, i, p.num_edges, p.where, [&](const Batch& batch) {
        for (int64_t t = 0; t < batch.size; ++t) {
          if (batch.slot[t] + kAhead < tiles.slots()) {
            const int64_t next = tiles.neighbor[batch.slot[t] + kAhead];
            prefetch(p.key + next * H * K, H * K), prefetch(p.value + next * H * C, H * C);
          }
          p.template logits<S, B>(p.query + i * H * K, p.key + batch.neighbor[t] * H * K, batch.edge[t], &s[t * H]);
        }
        // A larger logit than all before: what has been summed shrinks.
        for (int64_t h = 0; h < H; ++h) {
          T high = top[h];
          for (int64_t t = 0; t < batch.size; ++t) high = std::max(high, s[t * H + h]);
          if (high == top[h]) continue;
          const T factor = std::exp(top[h] - high);
          for (int64_t c = 0; c < C; ++c) out_i[h * C + c] *= factor;
          total[h] *= factor, top[h] = high;
        }
        for (int64_t t = 0; t < batch.size; ++t)
          for (int64_t h = 0; h < H; ++h) s[t * H + h] -= top[h] == -infinity ? T(0) : top[h];
        exponentials(s.data(), batch.size * H);
        for (int64_t t = 0; t < batch.size; ++t)
          for (int64_t h = 0; h < H; ++h) total[h] += s[t * H + h];
        if (p.words) {
          p.keep(batch, m.data());
          for (int64_t x = 0; x < batch.size * H; ++x) s[x] *= m[x];
        }
        add_rows<B>(batch, s.data(), p.value, H, C, out_i);
      });
      for (int64_t h = 0; h < H; ++h) {
        // A row whose logits are all -inf is as one without edges.
        logsumexp[i * H + h] = total[h] == 0 ? infinity : top[h] + std::log(total[h]);
        const T share = total[h] == 0 ? T(0) : 1 / total[h];
        for (int64_t c = 0; c < C; ++c) out_i[h * C + c] *= share;
      }
    }
  });
}

// The slopes ds of a batch of receiver i, and what of the weights is applied, m p.
template <typename T, Score S, int B>
inline void slopes(const Problem<T>& p, const Tiles& tiles, const T* logsumexp, const T* g, const T* d, int64_t i,
                   const Batch& batch, T* ds, T* applied) {
  const int64_t H = p.heads, C = p.value_channels, K = S == kAdditive ? 1 : p.channels;
  if (p.words) p.keep(batch, applied);
  else std::fill_n(applied, batch.size * H, T(1));
  for (int64_t t = 0; t < batch.size; ++t) {
    if (batch.slot[t] + kAhead < tiles.slots()) {
      const int64_t next = tiles.neighbor[batch.slot[t] + kAhead];
      prefetch(p.key + next * H * K, H * K), prefetch(p.value + next * H * C, H * C);
    }
    p.template logits<S, B>(p.query + i * H * K, p.key + batch.neighbor[t] * H * K, batch.edge[t], ds + t * H);
    for (int64_t h = 0; h < H; ++h) ds[t * H + h] -= logsumexp[i * H + h];
  }
  exponentials(ds, batch.size * H);
  for (int64_t t = 0; t < batch.size; ++t)
    for (int64_t h = 0; h < H; ++h) {
      const int64_t x = t * H + h;
      const T weight = ds[x], m = applied[x];
      ds[x] = weight * (m * dot<B>(g + (i * H + h) * C, p.value + (batch.neighbor[t] * H + h) * C, C) - d[i * H + h]);
      applied[x] = weight * m;
    }
}

template <typename T, Score S, int B>
void backward_rows(ffi::ThreadPool pool, const Problem<T>& p, const Tiles& tiles, const T* logsumexp,
                   const T* g, const T* d, T* of_edges, const Gradients<T>& to) {
  const int64_t H = p.heads, K = S == kAdditive ? 1 : p.channels;
  std::vector<T> vectors(to.vector ? tiles.chunks() * H * K : 0);  // summed in order below
  parallel_for(pool, tiles.chunks(), [&](int64_t chunk) {
    std::vector<T> ds(kBatch * H), applied(kBatch * H);
    T* d_vector = to.vector ? &vectors[chunk * H * K] : nullptr;
    for (int64_t i = tiles.first_row(chunk); i < tiles.first_row(chunk + 1); ++i) {
      T* dq = to.query + i * H * K;
      std::fill_n(dq, H * K, T(0));
      each_batch(tiles, i, p.num_edges, p.where, [&](const Batch& batch) {
        slopes<T, S, B>(p, tiles, logsumexp, g, d, i, batch, ds.data(), applied.data());
        for (int64_t t = 0; t < batch.size; ++t) {
          T* of_edge = of_edges + int64_t{batch.edge[t]} * 2 * H;
          std::copy_n(&ds[t * H], H, of_edge), std::copy_n(&applied[t * H], H, of_edge + H);
          if (to.bias) std::copy_n(&ds[t * H], H, to.bias + batch.edge[t] * H);
        }
        pull<T, S, B>(p, batch, ds.data(), p.query + i * H * K, p.key, dq, to.edge, d_vector);
      });
    }
  });
  for (int64_t chunk = 0; to.vector && chunk < tiles.chunks(); ++chunk)
    for (int64_t c = 0; c < H * K; ++c) to.vector[c] += vectors[chunk * H * K + c];
}

template <typename T, Score S, int B>
void backward_columns(ffi::ThreadPool pool, const Problem<T>& p, const Tiles& tiles, const T* g, const T* of_edges,
                      const Gradients<T>& to) {
  const int64_t H = p.heads, C = p.value_channels, K = S == kAdditive ? 1 : p.channels;
  parallel_for(pool, tiles.chunks(), [&](int64_t chunk) {
    std::vector<T> ds(kBatch * H), applied(kBatch * H);
    for (int64_t j = tiles.first_row(chunk); j < tiles.first_row(chunk + 1); ++j) {
      T *dk = to.key + j * H * K, *dv = to.value + j * H * C;
      std::fill_n(dk, H * K, T(0)), std::fill_n(dv, H * C, T(0));
      each_batch(tiles, j, p.num_edges, p.where, [&](const Batch& batch) {
        for (int64_t t = 0; t < batch.size; ++t) {
          if (const int64_t next = batch.slot[t] + kAhead; next < tiles.slots()) {
            const int64_t i = tiles.neighbor[next];
            prefetch(of_edges + int64_t{tiles.edge[next]} * 2 * H, 2 * H);
            prefetch(p.query + i * H * K, H * K), prefetch(g + i * H * C, H * C);
          }
          const T* of_edge = of_edges + int64_t{batch.edge[t]} * 2 * H;
          std::copy_n(of_edge, H, &ds[t * H]), std::copy_n(of_edge + H, H, &applied[t * H]);
        }
        pull<T, S, B>(p, batch, ds.data(), p.key + j * H * K, p.query, dk, nullptr, nullptr);
        add_rows<B>(batch, applied.data(), g, H, C, dv);
      });
    }
  });
}

// --- the two ops of the composition: see _adjoint.py ---------------------------------------------------------

template <typename T, int B>
void edge_dot(ffi::ThreadPool pool, const Problem<T>& p, const Tiles& tiles, T* out) {
  const int64_t H = p.heads, C = p.channels;
  parallel_for(pool, tiles.chunks(), [&](int64_t chunk) {
    for (int64_t i = tiles.first_row(chunk); i < tiles.first_row(chunk + 1); ++i)
      each_batch(tiles, i, p.num_edges, p.where, [&](const Batch& batch) {
        for (int64_t t = 0; t < batch.size; ++t) {
          if (batch.slot[t] + kAhead < tiles.slots())
            prefetch(p.key + int64_t{tiles.neighbor[batch.slot[t] + kAhead]} * H * C, H * C);
          for (int64_t h = 0; h < H; ++h)
            out[batch.edge[t] * H + h] = dot<B>(p.query + (i * H + h) * C, p.key + (batch.neighbor[t] * H + h) * C, C);
        }
      });
  });
}

template <typename T, int B>
void aggregate(ffi::ThreadPool pool, const Problem<T>& p, const Tiles& tiles, const T* weights,
               T* out) {
  const int64_t H = p.heads, C = p.value_channels;
  parallel_for(pool, tiles.chunks(), [&](int64_t chunk) {
    std::vector<T> w(kBatch * H);
    for (int64_t i = tiles.first_row(chunk); i < tiles.first_row(chunk + 1); ++i) {
      T* out_i = out + i * H * C;
      std::fill_n(out_i, H * C, T(0));
      each_batch(tiles, i, p.num_edges, p.where, [&](const Batch& batch) {
        for (int64_t t = 0; t < batch.size; ++t) {
          if (batch.slot[t] + kAhead < tiles.slots())
            prefetch(p.value + tiles.neighbor[batch.slot[t] + kAhead] * H * C, H * C);
          std::copy_n(weights + batch.edge[t] * H, H, &w[t * H]);
        }
        add_rows<B>(batch, w.data(), p.value, H, C, out_i);
      });
    }
  });
}

// --- buffers -------------------------------------------------------------------------------------------------

template <typename F>
void with_score(int32_t score, const F& f) {
  if (score == kDot) f(std::integral_constant<Score, kDot>());
  else if (score == kAdditive) f(std::integral_constant<Score, kAdditive>());
  else f(std::integral_constant<Score, kGATv2>());
}

template <typename T>
Problem<T> problem_of(const ffi::AnyBuffer& query, const ffi::AnyBuffer& key, const ffi::AnyBuffer& value,
                      const ffi::AnyBuffer& edge, const ffi::AnyBuffer& vector, const ffi::AnyBuffer& bias,
                      const ffi::AnyBuffer& where, const ffi::AnyBuffer& words, int32_t score, double slope,
                      int64_t num_edges, int64_t threshold, double keep_scale) {
  auto sizes = value.dimensions();
  return {num_edges, sizes[1], score == kAdditive ? 1 : query.dimensions()[2], sizes[2],
          data<const T>(query), data<const T>(key), data<const T>(value),
          optional<const T>(edge), optional<const T>(vector), optional<const T>(bias),
          optional<const bool>(where), optional<const uint32_t>(words),
          T(slope), T(keep_scale), uint32_t(threshold)};
}

// --- handlers ------------------------------------------------------------------------------------------------

ffi::Error Forward(ffi::ThreadPool pool, Buffer query, Buffer key, Buffer value, Buffer edge, Buffer vector,
                   Buffer bias, Buffer where, Buffer words, Buffer neighbor, Buffer slots, Buffer start, Result out,
                   Result logsumexp, int32_t score, double slope, int64_t num_edges, int64_t threshold,
                   double keep_scale) {
  Tiles tiles = tiles_of(neighbor, slots, start);
  with_dtype(query, [&](auto zero) {
    using T = decltype(zero);
    auto p = problem_of<T>(query, key, value, edge, vector, bias, where, words, score, slope, num_edges, threshold,
                           keep_scale);
    with_lanes(score == kAdditive ? 0 : p.channels, p.value_channels, [&](auto lanes) {
      with_score(score, [&](auto s) {
        forward<T, decltype(s)::value, decltype(lanes)::value>(pool, p, tiles, data<T>(*out), data<T>(*logsumexp));
      });
    });
  });
  return ffi::Error::Success();
}

ffi::Error Backward(ffi::ThreadPool pool, Buffer query, Buffer key, Buffer value, Buffer edge, Buffer vector,
                    Buffer bias, Buffer where, Buffer words, Buffer neighbor, Buffer slots, Buffer start,
                    Buffer column_neighbor, Buffer column_slots, Buffer column_start, Buffer logsumexp, Buffer g,
                    Buffer d, Result d_query, Result d_key, Result d_value, Result d_edge, Result d_vector,
                    Result d_bias, Result between, int32_t score, double slope, int64_t num_edges, int64_t threshold,
                    double keep_scale) {
  Tiles rows = tiles_of(neighbor, slots, start), columns = tiles_of(column_neighbor, column_slots, column_start);
  with_dtype(query, [&](auto zero) {
    using T = decltype(zero);
    auto p = problem_of<T>(query, key, value, edge, vector, bias, where, words, score, slope, num_edges, threshold,
                           keep_scale);
    Gradients<T> to{data<T>(*d_query), data<T>(*d_key),   data<T>(*d_value),
                    zeroed<T>(*d_edge), zeroed<T>(*d_vector), zeroed<T>(*d_bias)};
    const T *l = data<const T>(logsumexp), *gs = data<const T>(g), *ds = data<const T>(d);
    T* of_edges = zeroed<T>(*between);  // edges that the layout leaves out have no numbers
    with_lanes(score == kAdditive ? 0 : p.channels, p.value_channels, [&](auto lanes) {
      with_score(score, [&](auto s) {
        backward_rows<T, decltype(s)::value, decltype(lanes)::value>(pool, p, rows, l, gs, ds, of_edges, to);
        backward_columns<T, decltype(s)::value, decltype(lanes)::value>(pool, p, columns, gs, of_edges, to);
      });
    });
  });
  return ffi::Error::Success();
}

ffi::Error EdgeDot(ffi::ThreadPool pool, Buffer x, Buffer y, Buffer where, Buffer neighbor, Buffer slots, Buffer start,
                   Result out) {
  Tiles tiles = tiles_of(neighbor, slots, start);
  with_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    Problem<T> p{};
    p.num_edges = out->dimensions()[0], p.heads = x.dimensions()[1], p.channels = x.dimensions()[2];
    p.query = data<const T>(x), p.key = data<const T>(y), p.where = optional<const bool>(where);
    T* to = zeroed<T>(*out);
    with_lanes(p.channels, 0, [&](auto lanes) { edge_dot<T, decltype(lanes)::value>(pool, p, tiles, to); });
  });
  return ffi::Error::Success();
}

ffi::Error Aggregate(ffi::ThreadPool pool, Buffer weights, Buffer y, Buffer where, Buffer neighbor, Buffer slots,
                     Buffer start, Result out) {
  Tiles tiles = tiles_of(neighbor, slots, start);
  with_dtype(y, [&](auto zero) {
    using T = decltype(zero);
    Problem<T> p{};
    p.num_edges = weights.dimensions()[0], p.heads = y.dimensions()[1], p.value_channels = y.dimensions()[2];
    p.value = data<const T>(y), p.where = optional<const bool>(where);
    with_lanes(0, p.value_channels, [&](auto lanes) {
      aggregate<T, decltype(lanes)::value>(pool, p, tiles, data<const T>(weights), data<T>(*out));
    });
  });
  return ffi::Error::Success();
}

}  // namespace

#define OPERANDS \
  Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()
#define TILES Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()
#define OPTIONS                                                                                                 \
  Attr<int32_t>("score").Attr<double>("slope").Attr<int64_t>("num_edges").Attr<int64_t>("threshold").Attr<double>( \
      "keep_scale")

XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_edge_forward, Forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().OPERANDS.TILES.Ret<Buffer>().Ret<Buffer>().OPTIONS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_edge_backward, Backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().OPERANDS.TILES.TILES.TILES.Ret<Buffer>()
                                  .Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>()
                                  .OPTIONS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_edge_dot, EdgeDot,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().TILES
                                  .Ret<Buffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_aggregate, Aggregate,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().TILES
                                  .Ret<Buffer>());
