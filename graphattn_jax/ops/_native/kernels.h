// What the kernels share: threads, arithmetic in vectors, the bits of dropout, buffers of XLA.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// --- threads -------------------------------------------------------------------------------------------------

// Calls work(0), ..., work(count - 1), also from the caller's thread. Tasks that the pool starts too late find no
// work left and never touch what the caller owns, so waiting cannot deadlock when the pool is busy.
template <typename Work>
void parallel_for(ffi::ThreadPool pool, int64_t count, const Work& work) {
  struct Shared {
    std::atomic<int64_t> next{0};
    int64_t done = 0;
    std::mutex mutex;
    std::condition_variable finished;
  };
  auto shared = std::make_shared<Shared>();
  auto run = [shared, count, &work] {
    int64_t own = 0;
    for (int64_t i; (i = shared->next.fetch_add(1)) < count; ++own) work(i);
    if (own == 0) return;
    std::lock_guard<std::mutex> lock(shared->mutex);
    if ((shared->done += own) == count) shared->finished.notify_all();
  };
  int64_t helpers = std::min<int64_t>(pool.num_threads(), count) - 1;
  for (int64_t t = 0; t < helpers; ++t) pool.Schedule([run] { run(); });
  run();
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done == count; });
}

// --- arithmetic ----------------------------------------------------------------------------------------------

// B channels at a time, in vectors that the compiler maps to registers; B divides every number of channels.
template <typename T, int B>
struct Lanes {
  typedef T type __attribute__((vector_size(B * sizeof(T))));
};
template <typename T>
struct Lanes<T, 1> {
  using type = T;
};
template <int B, typename T>
inline typename Lanes<T, B>::type load(const T* x) {
  typename Lanes<T, B>::type v;
  std::memcpy(&v, x, sizeof v);
  return v;
}
template <typename V, typename T>
inline void store(T* x, const V& v) {
  std::memcpy(x, &v, sizeof v);
}
// x[i] = exp(x[i]) for i < size rounded up to kLanes, which the array must hold. For x <= 0, as weights need it: to 2
// units in the last place, and 0 below -87, where float32 ends.
constexpr int kLanes = 16;
inline void exponentials(float* x, int64_t size) {
  using V = Lanes<float, kLanes>::type;
  using I = Lanes<int32_t, kLanes>::type;
  for (int64_t i = 0; i < size; i += kLanes) {
    const V at = load<kLanes>(x + i);
    const V inside = at < -88.0f ? V{} - 88.0f : at;  // NaN stays
    const I n = __builtin_convertvector(inside * 1.44269504088896f - 0.5f, I);
    const V whole = __builtin_convertvector(n, V);
    const V r = inside - whole * 0.693145751953125f - whole * 1.42860682030941723e-6f;
    V p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const I bits = (n + 127) << 23;
    V power;
    std::memcpy(&power, &bits, sizeof power);
    store(x + i, at < -87.0f ? V{} : p * power);
  }
}
inline void exponentials(double* x, int64_t size) {
  for (int64_t i = 0; i < size; ++i) x[i] = std::exp(x[i]);
}

// Of `size` numbers, a positive multiple of kLanes: the compiler makes no vectors of a maximum.
template <typename T>
inline T largest(const T* x, int64_t size) {
  auto top = load<kLanes>(x);
  for (int64_t i = kLanes; i < size; i += kLanes) {
    const auto y = load<kLanes>(x + i);
    top = y > top ? y : top;
  }
  T lanes[kLanes];
  store(lanes, top);
  return *std::max_element(lanes, lanes + kLanes);
}

template <int B, typename T>
inline T total_of(const typename Lanes<T, B>::type& v) {
  if constexpr (B == 1) {
    return v;
  } else {
    using Half = typename Lanes<T, B / 2>::type;
    Half halves[2];
    std::memcpy(halves, &v, sizeof v);
    return total_of<B / 2, T>(halves[0] + halves[1]);
  }
}
template <int B, typename T>
inline T dot(const T* x, const T* y, int64_t channels) {
  auto sum = load<B>(x) * load<B>(y);
  for (int64_t c = B; c < channels; c += B) sum += load<B>(x + c) * load<B>(y + c);
  return total_of<B, T>(sum);
}

// The bits of dropout: `random_bits` of _dropout_hash.py.
inline uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x7FEB352Du, h = (h ^ (h >> 15)) * 0x846CA68Bu;
  return h ^ (h >> 16);
}

template <typename T>
inline void prefetch(const T* row, int64_t size) {
  for (int64_t i = 0; i < size; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(row + i);
}

// --- buffers -------------------------------------------------------------------------------------------------

template <typename T>
T* data(const ffi::AnyBuffer& buffer) {
  return static_cast<T*>(buffer.untyped_data());
}
template <typename T>
T* optional(const ffi::AnyBuffer& buffer) {  // an absent operand is an empty array
  return buffer.element_count() ? data<T>(buffer) : nullptr;
}

// Calls f with the vector length that divides all numbers of channels.
template <typename F>
void with_lanes(int64_t channels, int64_t value_channels, const F& f) {
  int64_t both = channels | value_channels;
  if (both % 16 == 0) f(std::integral_constant<int, 16>());
  else if (both % 8 == 0) f(std::integral_constant<int, 8>());
  else if (both % 4 == 0) f(std::integral_constant<int, 4>());
  else f(std::integral_constant<int, 1>());
}
template <typename F>
void with_dtype(const ffi::AnyBuffer& x, const F& f) {
  if (x.element_type() == ffi::DataType::F64) f(double());
  else f(float());
}
// Of a result that is not written everywhere.
template <typename T>
T* zeroed(const ffi::AnyBuffer& buffer) {
  if (buffer.element_count()) std::memset(buffer.untyped_data(), 0, buffer.size_bytes());
  return optional<T>(buffer);
}

using Buffer = ffi::AnyBuffer;
using Result = ffi::Result<ffi::AnyBuffer>;

}  // namespace
