"""Products of small float32 matrices inside numba kernels, with their sums kept in registers.

numba writes every partial sum back to memory, at a third of the speed (64 × 64); so the innermost block is written in
LLVM's vector instructions, which every processor has in its own widths. Sums run in the order of their terms: results
do not depend on the width.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core.extending import intrinsic

ROWS = 4
"""Rows of a block; with 16 columns its sums fill half of the registers of AVX2, of AVX-512 and of NEON."""
_INLINE = {"nogil": True, "error_model": "numpy"}


def _block(width):
    """c [ROWS, width] += Σ_k a(m, k) · b [k, width], for k < count.

    The arguments behind each array are in elements: where the block begins, then for a the steps from one m and one k
    to the next, for b and c the step from row to row.
    """

    @intrinsic
    def block(typing, c, at_c, step_c, a, at_a, step_m, step_k, b, at_b, step_b, count):
        def generate(context, builder, signature, args):
            def data(place):
                return context.make_array(signature.args[place])(context, builder, args[place]).data

            def vector_at(pointer, index):
                return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())

            vector, word = ir.VectorType(ir.FloatType(), width), ir.IntType(64)
            nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
            all_alike = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
            _, at_c, step_c, _, at_a, step_m, step_k, _, at_b, step_b, count = args
            pc, pa, pb = map(data, (0, 3, 7))
            at_rows = [builder.add(at_c, builder.mul(step_c, word(m))) for m in range(ROWS)]
            starts = [builder.load(vector_at(pc, at), align=4, typ=vector) for at in at_rows]
            before, loop = builder.block, builder.append_basic_block("product")
            after = builder.append_basic_block("product.end")
            builder.cbranch(builder.icmp_signed("<", word(0), count), loop, after)

            builder.position_at_end(loop)
            k = builder.phi(word)
            k.add_incoming(word(0), before)
            sums = [builder.phi(vector) for _ in range(ROWS)]
            row = builder.load(vector_at(pb, builder.add(at_b, builder.mul(k, step_b))), align=4, typ=vector)
            column = builder.add(at_a, builder.mul(k, step_k))
            totals = []
            for m in range(ROWS):
                sums[m].add_incoming(starts[m], before)
                at = builder.add(column, builder.mul(step_m, word(m)))
                factor = builder.load(builder.gep(pa, [at]), align=4, typ=ir.FloatType())
                factor = builder.shuffle_vector(builder.insert_element(nothing, factor, first), nothing, all_alike)
                term = builder.fmul(factor, row, flags=("contract",))
                totals.append(builder.fadd(sums[m], term, flags=("contract",)))
                sums[m].add_incoming(totals[m], loop)
            following = builder.add(k, word(1))
            k.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, count), loop, after)

            builder.position_at_end(after)
            for m in range(ROWS):
                result = builder.phi(vector)
                result.add_incoming(starts[m], before)
                result.add_incoming(totals[m], loop)
                totals[m] = result
            for m in range(ROWS):
                builder.store(totals[m], vector_at(pc, at_rows[m]), align=4)
            return context.get_dummy_value()

        numbers = types.int64
        return types.none(c, numbers, numbers, a, numbers, numbers, numbers, b, numbers, numbers, numbers), generate

    return block


_16, _8, _4 = _block(16), _block(8), _block(4)


@njit(**_INLINE)
def _add(c, column, a, at, step_m, step_k, b, at_b, rows, columns, count):
    step_c, step_b = c.shape[1], b.shape[1]
    n = 0
    while n + 16 <= columns:
        for m in range(0, rows, ROWS):
            _16(c, m * step_c + column + n, step_c, a, at + m * step_m, step_m, step_k, b, at_b + n, step_b, count)
        n += 16
    while n + 8 <= columns:
        for m in range(0, rows, ROWS):
            _8(c, m * step_c + column + n, step_c, a, at + m * step_m, step_m, step_k, b, at_b + n, step_b, count)
        n += 8
    while n < columns:
        for m in range(0, rows, ROWS):
            _4(c, m * step_c + column + n, step_c, a, at + m * step_m, step_m, step_k, b, at_b + n, step_b, count)
        n += 4


@njit(**_INLINE)
def add_product(c, a, b, c_at=0, a_at=0):
    """c [M, c_at : c_at + N] += a [M, a_at : a_at + K] @ b [K, N]; M and N are multiples of 4, all rows contiguous."""
    _add(c, c_at, a, a_at, a.shape[1], 1, b, 0, a.shape[0], b.shape[1], b.shape[0])


@njit(**_INLINE)
def add_product_of_transposed(c, a, b, b_at=0):
    """c [M, N] += a [K, M].T @ b [K, b_at : b_at + N]; M and N are multiples of 4, all rows contiguous."""
    _add(c, 0, a, 0, 1, a.shape[1], b, b_at, a.shape[1], c.shape[1], a.shape[0])
