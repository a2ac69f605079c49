// Batch normalisation over the real rows of [N, D] on the CPU, and its gradient.
//
//   y = real ? (x - mean) rate scale + bias : 0      rate = 1 / sqrt(var + eps)
//   h = (x - mean) rate      dx = real ? scale rate (g - (sum g + h sum g h) / count) : 0
//
// One task computes some columns, whose rows stay in its cache from one pass to the next.

#include "kernels.h"

namespace {

template <typename T>
struct Rows {
  int64_t count_all, width, count;
  const T* x;
  const bool* real;

  Rows(const Buffer& x, const Buffer& real)
      : count_all(x.dimensions()[0]), width(x.dimensions()[1]), x(data<const T>(x)), real(data<const bool>(real)) {
    count = std::max<int64_t>(std::count(this->real, this->real + count_all, true), 1);
  }

  // The sum over the real rows of f(row), of partial sums so that its error does not grow with the rows.
  template <typename V, typename F>
  V sum(const F& f) const {
    constexpr int64_t kBlock = 256;
    V total{};
    for (int64_t begin = 0; begin < count_all; begin += kBlock) {
      V part{};
      for (int64_t i = begin; i < std::min(begin + kBlock, count_all); ++i)
        if (real[i]) part += f(i);
      total += part;
    }
    return total;
  }
};

template <typename T, int B>
typename Lanes<T, B>::type reciprocal_root(const typename Lanes<T, B>::type& v) {
  T lanes[B];
  store(lanes, v);
  for (T& lane : lanes) lane = 1 / std::sqrt(lane);
  return load<B>(lanes);
}

template <typename T, int B>
void forward(ffi::ThreadPool pool, const Rows<T>& rows, const T* scale, const T* bias, T eps, T* y, T* mean, T* var) {
  using V = typename Lanes<T, B>::type;
  const int64_t D = rows.width;
  const T share = T(1) / rows.count;
  parallel_for(pool, D / B, [&](int64_t task) {
    const int64_t c = task * B;
    const V m = share * rows.template sum<V>([&](int64_t i) { return load<B>(rows.x + i * D + c); });
    const V v = share * rows.template sum<V>([&](int64_t i) {
      const V centred = load<B>(rows.x + i * D + c) - m;
      return V(centred * centred);
    });
    const V slope = reciprocal_root<T, B>(v + eps) * load<B>(scale + c), b = load<B>(bias + c);
    for (int64_t i = 0; i < rows.count_all; ++i)
      store(y + i * D + c, rows.real[i] ? V((load<B>(rows.x + i * D + c) - m) * slope + b) : V{});
    store(mean + c, m), store(var + c, v);
  });
}

template <typename T, int B>
void backward(ffi::ThreadPool pool, const Rows<T>& rows, const T* scale, const T* mean, const T* var, const T* g,
              T eps, T* dx, T* d_scale, T* d_bias) {
  using V = typename Lanes<T, B>::type;
  const int64_t D = rows.width;
  const T share = T(1) / rows.count;
  parallel_for(pool, D / B, [&](int64_t task) {
    const int64_t c = task * B;
    const V m = load<B>(mean + c), rate = reciprocal_root<T, B>(load<B>(var + c) + eps);
    const V db = rows.template sum<V>([&](int64_t i) { return load<B>(g + i * D + c); });
    const V ds = rate * rows.template sum<V>([&](int64_t i) {
      return V(load<B>(g + i * D + c) * (load<B>(rows.x + i * D + c) - m));
    });
    const V slope = rate * load<B>(scale + c), constant = share * db, along = share * rate * ds;
    for (int64_t i = 0; i < rows.count_all; ++i) {
      const V centred = load<B>(rows.x + i * D + c) - m;
      store(dx + i * D + c, rows.real[i] ? V(slope * (load<B>(g + i * D + c) - constant - along * centred)) : V{});
    }
    store(d_scale + c, ds), store(d_bias + c, db);
  });
}

ffi::Error Forward(ffi::ThreadPool pool, Buffer x, Buffer scale, Buffer bias, Buffer real, Result y, Result mean,
                   Result var, double eps) {
  with_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> rows(x, real);
    with_lanes(0, rows.width, [&](auto lanes) {
      forward<T, decltype(lanes)::value>(pool, rows, data<const T>(scale), data<const T>(bias), T(eps), data<T>(*y),
                                         data<T>(*mean), data<T>(*var));
    });
  });
  return ffi::Error::Success();
}

ffi::Error Backward(ffi::ThreadPool pool, Buffer x, Buffer scale, Buffer real, Buffer mean, Buffer var, Buffer g,
                    Result dx, Result d_scale, Result d_bias, double eps) {
  with_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> rows(x, real);
    with_lanes(0, rows.width, [&](auto lanes) {
      backward<T, decltype(lanes)::value>(pool, rows, data<const T>(scale), data<const T>(mean), data<const T>(var),
                                          data<const T>(g), T(eps), data<T>(*dx), data<T>(*d_scale),
                                          data<T>(*d_bias));
    });
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_batch_norm, Forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()
                                  .Arg<Buffer>().Ret<Buffer>().Ret<Buffer>().Ret<Buffer>().Attr<double>("eps"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_batch_norm_backward, Backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()
                                  .Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().Ret<Buffer>().Ret<Buffer>()
                                  .Ret<Buffer>().Attr<double>("eps"));
