// The edges of each row, and what walking through them needs.
#pragma once

#include "kernels.h"

namespace {

// The edges of each row: `Tiles` of _layout.py.
struct Tiles {
  const int32_t *neighbor, *edge, *start;
  int64_t rows, width;

  static constexpr int64_t kChunks = 64;
  // Chunks of rows with about the same number of tiles; they depend on the graph only.
  int64_t chunks() const { return std::clamp<int64_t>(start[rows] / 32, 1, kChunks); }
  int64_t first_row(int64_t chunk) const {
    if (chunk == chunks()) return rows;
    int64_t tile = int64_t{start[rows]} * chunk / chunks();
    return std::lower_bound(start, start + rows, tile) - start;
  }
  int64_t slots() const { return start[rows] * width; }
};

// Rows of neighbours come from everywhere: they are asked for some slots ahead, in this row or the next.
constexpr int64_t kAhead = 8;

Tiles tiles_of(const Buffer& neighbor, const Buffer& edge, const Buffer& start) {
  return {data<const int32_t>(neighbor), data<const int32_t>(edge), data<const int32_t>(start),
          int64_t(start.element_count()) - 1, neighbor.dimensions()[1]};
}

}  // namespace
