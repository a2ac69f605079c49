// Sums of rectified messages on the CPU: out_i = sum_e max(x_j + y_e, 0) for the edges e from j to i.
//
// Backward, a pass over the rows (receivers) gives dy_e = g_i [x_j + y_e > 0], one over the columns (senders) sums these.

#include "kernels.h"
#include "tiles.h"

namespace {

// Which edges there are, of those in the tiles; where: null if all.
struct Edges {
  int64_t count;
  const bool* where;
};

// Calls f(row, neighbor, edge) for the edges of rows, begin(row) before those of each; rows in parallel.
template <typename Begin, typename F>
void each_edge(ffi::ThreadPool pool, const Tiles& tiles, const Edges& edges, const Begin& begin, const F& f) {
  parallel_for(pool, tiles.chunks(), [&](int64_t chunk) {
    for (int64_t i = tiles.first_row(chunk); i < tiles.first_row(chunk + 1); ++i) {
      begin(i);
      for (int64_t slot = tiles.start[i] * tiles.width; slot < tiles.start[i + 1] * tiles.width; ++slot) {
        if (tiles.edge[slot] >= edges.count) break;  // only the last tile of a row has empty slots, at the end
        if (edges.where && !edges.where[tiles.edge[slot]]) continue;
        f(i, int64_t{tiles.neighbor[slot]}, int64_t{tiles.edge[slot]});
      }
    }
  });
}

template <typename T, int B>
void forward(ffi::ThreadPool pool, const Tiles& tiles, const T* x, const T* y, const Edges& edges, int64_t C, T* out) {
  each_edge(pool, tiles, edges, [&](int64_t i) { std::fill_n(out + i * C, C, T(0)); },
            [&](int64_t i, int64_t j, int64_t e) {
              for (int64_t c = 0; c < C; c += B) {
                auto z = load<B>(x + j * C + c) + load<B>(y + e * C + c);
                z = z < 0 ? decltype(z){} : z;  // NaN stays
                store(out + i * C + c, load<B>(out + i * C + c) + z);
              }
            });
}

template <typename T, int B>
void backward(ffi::ThreadPool pool, const Tiles& rows, const Tiles& columns, const T* x, const T* y, const T* g,
              const Edges& edges, int64_t C, T* dx, T* dy) {
  each_edge(pool, rows, edges, [](int64_t) {}, [&](int64_t i, int64_t j, int64_t e) {
    for (int64_t c = 0; c < C; c += B) {
      const auto z = load<B>(x + j * C + c) + load<B>(y + e * C + c), gi = load<B>(g + i * C + c);
      store(dy + e * C + c, z > 0 ? gi : decltype(gi + z){});
    }
  });
  each_edge(pool, columns, edges, [&](int64_t j) { std::fill_n(dx + j * C, C, T(0)); },
            [&](int64_t j, int64_t, int64_t e) {
              for (int64_t c = 0; c < C; c += B)
                store(dx + j * C + c, load<B>(dx + j * C + c) + load<B>(dy + e * C + c));
            });
}

ffi::Error Forward(ffi::ThreadPool pool, Buffer x, Buffer y, Buffer where, Buffer neighbor, Buffer slots, Buffer start,
                   Result out) {
  const int64_t C = y.dimensions()[1];
  const Edges edges{y.dimensions()[0], optional<const bool>(where)};
  with_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    with_lanes(0, C, [&](auto lanes) {
      forward<T, decltype(lanes)::value>(pool, tiles_of(neighbor, slots, start), data<const T>(x), data<const T>(y),
                                         edges, C, data<T>(*out));
    });
  });
  return ffi::Error::Success();
}

ffi::Error Backward(ffi::ThreadPool pool, Buffer x, Buffer y, Buffer where, Buffer neighbor, Buffer slots, Buffer start,
                    Buffer column_neighbor, Buffer column_slots, Buffer column_start, Buffer g, Result dx, Result dy) {
  const int64_t C = y.dimensions()[1];
  const Edges edges{y.dimensions()[0], optional<const bool>(where)};
  const Tiles rows = tiles_of(neighbor, slots, start), columns = tiles_of(column_neighbor, column_slots, column_start);
  with_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    with_lanes(0, C, [&](auto lanes) {
      // Edges that are not there have no gradient.
      backward<T, decltype(lanes)::value>(pool, rows, columns, data<const T>(x), data<const T>(y), data<const T>(g),
                                          edges, C, data<T>(*dx), zeroed<T>(*dy));
    });
  });
  return ffi::Error::Success();
}

}  // namespace

#define TILES Arg<Buffer>().Arg<Buffer>().Arg<Buffer>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_rectified_sum, Forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().TILES
                                  .Ret<Buffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(graphattn_rectified_sum_backward, Backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Buffer>().Arg<Buffer>().Arg<Buffer>().TILES
                                  .TILES.Arg<Buffer>().Ret<Buffer>().Ret<Buffer>());
