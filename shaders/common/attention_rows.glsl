// SPDX-License-Identifier: MIT
//
// Attention by tiles. A row is a query of one head; the heads that share a head of k lie beside
// each other, so that one reading of k and v serves all of them. A workgroup makes a tile of rows,
// for all keys that they see or (SPLIT) for a part of them: then what it has summed goes to a
// buffer, and attention_merge makes the rows out of it.
#include "attention.glsl"

const bool SPLIT = (FLAGS & ATTENTION_SPLIT) != 0u;

BUFFER_IN(0, q);
BUFFER_IN(1, k);
BUFFER_IN(2, v);
BUFFER_OUT(3, dst);
layout(std430, binding = 3) buffer sums_buffer { float v[]; } sums_of_parts;

struct tile {
    uint batch, shared_head;
    uint first, rows; // of the head's
    uint part;
    uint begin, end; // keys
    uint k_start, v_start;
};

uint parts()
{
    return SPLIT ? (p.keys + p.span - 1) / p.span : 1;
}

tile tile_of(uint group, uint size)
{
    tile t;
    uint groups = p.end / parts(); // of a part
    t.part = group / groups;
    group %= groups;
    t.rows = p.queries * p.share;
    uint tiles = (t.rows + size - 1) / size, shared_heads = p.heads / p.share;
    t.first = group % tiles * size;
    t.shared_head = group / tiles % shared_heads;
    t.batch = group / tiles / shared_heads;
    t.begin = SPLIT ? t.part * p.span : 0;
    t.end = key_end((min(t.first + size, t.rows) - 1) / p.share);
    if (SPLIT)
        t.end = min(t.end, t.begin + p.span);
    t.k_start = p.k_offset + t.batch * p.k_stride[0] + t.shared_head * p.k_stride[1];
    t.v_start = p.v_offset + t.batch * p.v_stride[0] + t.shared_head * p.v_stride[1];
    return t;
}

uint query_of(tile t, uint row)
{
    return min(row, t.rows - 1) / p.share;
}

place place_of(tile t, uint row)
{
    return place(t.batch, t.shared_head * p.share + min(row, t.rows - 1) % p.share);
}

uint q_start(tile t, uint row)
{
    return p.q_offset + t.batch * p.q_stride[0] + place_of(t, row).head * p.q_stride[1] +
           query_of(t, row) * p.q_stride[2];
}

// --- keys that no row of the tile sees ---

#ifdef FULL
shared uint seen_key[2];

bool sees(place at, uint query, uint key)
{
    return logit(at, query, key, p.keys, 0.0) != GONE;
}
#endif

void start_seen()
{
#ifdef FULL
    if (gl_LocalInvocationIndex < 2)
        seen_key[gl_LocalInvocationIndex] = 0;
    barrier();
#endif
}

// Whether any of the tile's `size` rows sees one of `count` keys from `key` on; else they need not
// be read. Called by all lanes, after start_seen, for each `count` keys in turn.
bool tile_seen(tile t, uint size, uint key, uint count)
{
#ifdef FULL
    if (!HAS_MASK && !HAS_BIAS)
        return true;
    bool alike = (!HAS_MASK || p.mask_stride[2] == 0 && p.mask_stride[1] == 0) &&
                 (!HAS_BIAS || p.bias_stride[2] == 0 && p.bias_stride[1] == 0);
    uint many = (alike ? 1 : min(size, t.rows - t.first)) * count, turn = key / count % 2;
    for (uint i = gl_LocalInvocationIndex; i < many; i += group_size()) {
        uint row = t.first + i / count, one = key + i % count;
        if (one < t.end && sees(place_of(t, row), query_of(t, row), one)) {
            seen_key[turn] = key + 1;
            break;
        }
    }
    barrier();
    return seen_key[turn] == key + 1;
#else
    return true;
#endif
}

// --- results ---

// Where a row's sums go.
uint out_start(tile t, uint row)
{
    uint index = result_row(place_of(t, row), query_of(t, row));
    return p.out_offset + (SPLIT ? (index * parts() + t.part) * (WIDTH + 2) : index * WIDTH);
}

// What they are multiplied by.
float out_factor(float total)
{
    return SPLIT ? 1.0 : total == 0.0 ? 0.0 : 1.0 / total;
}

void store_sum(uint at, float sum)
{
    if (SPLIT)
        sums_of_parts.v[at] = sum;
    else
        STORE(dst, at, sum);
}

void finish_row(tile t, uint row, float most, float total)
{
    if (SPLIT) {
        uint at = out_start(t, row) + WIDTH;
        sums_of_parts.v[at] = most;
        sums_of_parts.v[at + 1] = total;
    } else {
        store_lse(place_of(t, row), query_of(t, row), most, total);
    }
}
