//! Errors of operations: arguments, shapes and dtypes.
//!
//! Tests: `tests/errors.rs`; `mlx-tests --test ui`.

macro_rules! operations {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*
        /// Too few, too many or misnamed arguments.
        Arguments: "arguments" {
            too_many_arguments(op, signature, found) = "`{op}` takes {signature}, found {found} arguments";
            masks_both() = "expected `causal` or `sliding(n)` on one side of `&`, and a bool tensor on the other";
            list_without_brackets(op, name, list) = "`{op}` takes `{name}` as one list: write `{list}`";
            argument_missing(op, signature, name) = "missing argument `{name}`: `{op}` takes {signature}";
            argument_twice(op, name) = "duplicate argument `{name}` of `{op}`";
            unknown_argument(op, name, near, signature) = "unknown argument `{name}`{near}: `{op}` takes {signature}";
            layer_arguments(layer, what, found) = "`{layer}` takes {what}, found {found} arguments";
            method_arguments(method, names, found) = "`{method}` takes ({names}), found {found} arguments";
            no_tensor(callee) = "`{callee}` expects at least one tensor";
            cache_keep_arguments() = "`cache.keep` takes (keys, values)";
            cache_update_arguments() = "`cache.update` takes (keys, values)";
            loss_arguments() = "`linear_cross_entropy` takes (x, self.head, targets, weights)";
            no_limit(op) = "{op}: expected a lower limit, an upper limit, or both";
            slice_count(op, axes, found) = "{op}: expected one start, stop and stride for each of {axes} axes of {found}";
            pad_pairs(op, pairs, found) = "{op}: expected one pair for each axis, found {pairs} for {found}";
        }
        /// An argument is not of the right kind.
        ArgumentKind: "kind of argument" {
            expected_tensors() = "expected a list of tensors, `[a, b]`";
            expected_integer() = "expected a whole number of at most 32 bits, such as -1";
            expected_axis_list() = "expected a list of axes, `[0, 2, 1, 3]`";
            expected_axes() = "expected axes, such as -1 or `[0, 2, 1, 3]`";
            expected_sizes() = "expected sizes, `[B, L, heads, head_dim]`";
            expected_number() = "expected a number or a field of the config, `config.rms_norm_eps`";
            expected_bool() = "expected true or false";
            expected_dtype(near) = "expected a dtype: float, f32, i32, u32 or bool{near}";
            expected_cache(found) = "expected the cache, but {found}";
            expected_tensor(found) = "expected one tensor, but {found}";
            numbers_alone(op) = "`{op}` expects at least one tensor, found numbers alone";
            packed_numbers(op, group, bits) = "{op}: expected groups of 32, 64 or 128 and 2, 3, 4, 5, 6 or 8 bits, found groups of {group} and {bits} bits";
            parts_count(op) = "{op}: expected 1 to 64 parts";
            expected_text() = "expected a string in quotes";
            expected_word(known, near) = "expected one of {known}{near}";
            expected_one_or_two(found) = "expected one or two sizes, found {found}";
            expected_pairs() = "expected a pair for each axis, `[(0, 0), (1, 1)]`";
            expected_parts() = "expected a number of parts, or sizes such as `[q, kv, kv]`";
            expected_contraction() = "expected a number of axes, or equally many axes of both sides: `[[1, 2], [0, 1]]`";
            number_outside(op, name, range, found) = "{op}: expected `{name}` to be {range}, found {found}";
            limits_turned(op, low, high) = "{op}: expected a lower limit below the upper one, found {low} and {high}";
            divisor_zero(op) = "{op}: division by zero";
            expected_window() = "expected the number of keys that each query sees: `sliding(config.sliding_window)`";
        }
        /// The inner dims of a product differ.
        Inner: "inner dims",
            help "the last dim of the left side must equal the dim it is multiplied with"
        {
            layer_input(layer, line, want, found) = "`{layer}` (line {line}) expects [.., {want}], but {found}";
            channels_differ(op, groups, input, weight) = "{op}: channels do not match for `{groups}` group(s): {input}, {weight}";
            inner_differs(op, a, b, left, right) = "{op}: inner dims `{a}` and `{b}` differ: {left}, {right}";
            letter_of_two_sizes(op, letter, a, b, found) = "{op}: `{letter}` has two sizes, `{a}` and `{b}`: {found}";
            layer_takes(layer, takes, found) = "`{layer}` expects {takes}, but {found}";
        }
        /// A tensor has the wrong number of dims.
        Rank: "rank" {
            rope_shape(layer, found) = "`{layer}` expects [batch, heads, length, head size], but {found}";
            cache_update_shape(found) = "`cache.update` expects [batch, heads, length, head size], but {found}";
            needs_heads(op, found) = "{op}: expected [batch, heads, length, head size], but {found}";
            needs_two_dims(op, found) = "{op}: expected two dims or more, but {found}";
            needs_positions(op, found) = "{op}: expected [.., batch, length, head size], but {found}";
            needs_length(op, found) = "{op}: expected [batch, length, ..], but {found}";
            conv_rank(op, form, dims, found) = "{op}: expected {form}, {dims} dims in all, but {found}";
            pool_rank(op, dims, found) = "{op}: expected [batch, size.., channels], {dims} dims in all, but {found}";
            needs_a_dim(op, found) = "{op}: expected one dim or more, but {found}";
            needs_a_vector(op, found) = "{op}: expected one dim, but {found}";
            needs_a_matrix(op, found) = "{op}: expected two dims, but {found}";
            conv_input(layer, takes, found) = "`{layer}` expects an input of {takes}, but {found}";
        }
        /// Two dims must be equal.
        DimMismatch: "dims that must be equal" {
            tied_shape(field, own, source, other) = "`{field}` is {own}, but the weight of `{source}` is {other}";
            method_argument(argument, method, want, found) = "`{argument}` of `{method}` expects {want}, but {found}";
            loss_targets(rows, found) = "expected one i32 target for each row of {rows}, but {found}";
            loss_weights(rows, found) = "expected one f32 weight for each row of {rows}, but {found}";
            attention_differs(op, what, left, right) = "{op}: {what} differ: {left}, {right}";
            sinks_count(op, queries, sinks) = "{op}: expected one sink for each head, but {queries}, {sinks}";
            heads_shared(op, heads, shared, queries, keys) = "{op}: expected a number of query heads that {shared} divides, found {heads}: {queries}, {keys}";
            rotated_part(op, size, found) = "{op}: expected an even number, at most the last dim, found `{size}`: {found}";
            shapes_differ(op, left, right) = "{op}: expected equal shapes, but {left}, {right}";
            indices_shape(op, axis, left, right) = "{op}: expected equal dims except for axis {axis}, but {left}, {right}";
            packed_words(op, bits, found) = "{op}: cannot prove that {bits} bits divide the words of {found}";
            packed_scales(op, group, weights, scales, biases) = "{op}: expected one scale and one bias for each group of {group} weights, but {weights}, {scales}, {biases}";
            targets_shape(op, input, left, right) = "{op}: expected one target for each row of {input}, but {left}, {right}";
            weights_shape(op, left, right) = "{op}: expected one weight for each target, but {left}, {right}";
            no_halves(op, size, found) = "{op}: cannot prove that 2 divides `{size}` of {found}";
            norm_weight(op, weight, left, right) = "{op}: expected the {weight} to have the size of the last dim, but {left}, {right}";
            axis_not_one(op, axis, size, found) = "{op}: expected axis {axis} to have size 1, found `{size}`: {found}";
            joined_shapes(op, axis, found) = "{op}: expected equal dims except for axis {axis}: {found}";
            stacked_shapes(op, found) = "{op}: expected equal shapes: {found}";
            parts_unknown(op, parts, size, found) = "{op}: cannot prove that {parts} divides `{size}` of {found}";
            parts_sum(op, sum, axis, size, found) = "{op}: expected sizes that add up to axis {axis}, `{size}`, found `{sum}`: {found}";
        }
        /// dtypes differ.
        Dtype: "dtype",
            help "cast one side with `.astype(float)`, `.astype(f32)` or `.astype(i32)`"
        {
            layer_dtype(layer, found) = "`{layer}` expects the activations' dtype, but {found}";
            index_dtype(layer, found) = "`{layer}` expects indices of i32 or u32, but {found}";
            mask_dtype(op, dtype, found) = "{op}: expected a mask of bool or {dtype}, but {found}";
            linspace_dtype(op) = "{op}: expected a floating-point dtype";
            bool_sign(op, found) = "{op}: expected numbers, because bool has no sign, but {found}";
            needs_numbers(op, found) = "{op}: expected numbers, but {found}";
            needs_bool(op, found) = "{op}: expected bool, but {found}";
            needs_whole(op, found) = "{op}: expected whole numbers, but {found}";
            condition_dtype(op, found) = "{op}: expected a condition of bool, but {found}";
            needs_float(op, found) = "{op}: expected floating point, but {found}";
            needs_packed(op, found) = "{op}: expected packed weights, [.., out, words] of u32, but {found}";
            needs_bits(op, found) = "{op}: expected whole numbers or bool, but {found}";
            random_key(op, found) = "{op}: expected a key, [2] of u32, but {found}";
            indices_dtype(op, found) = "{op}: expected whole numbers as indices, but {found}";
            dtypes_of_list(op, found) = "{op}: dtypes differ: {found}";
            dtypes_meet(op, a, b, why, left, right) = "{op}: dtypes {a} and {b} do not mix{why}: {left}, {right}";
            number_beyond(op, dtype, found) = "{op}: number out of range for {dtype}: {found}";
            number_cut(op, dtype, found) = "{op}: number would be truncated to {dtype}: {found}";
        }
        /// No such dtype.
        UnknownDtype: "unknown dtype",
            help "dtypes are float (that of the activations, chosen when the model is loaded), f32, i32, u32 and bool"
        {
            unknown_dtype(name, near) = "unknown dtype `{name}`{near}";
            dtype_as_dim(name) = "`{name}` is a dtype: write `;` before it, as in `Tensor![B, L; {name}]`";
        }
        /// A number that cannot be proved to be within a size.
        Bound: "bound of a size",
            help "add the bound to the struct: `#[require(n <= hidden_size)]`; it is checked once, when the model is loaded"
        {
            place_unknown(op, place, size, found) = "{op}: cannot prove that `{place}` is at most `{size}`: {found}";
            size_unknown(op, size) = "{op}: cannot prove that `{size}` is 0 or more";
        }
        /// An axis outside the tensor's rank.
        Axis: "axis",
            help "axes count from 0, or from -1 backwards"
        {
            no_element(op, k, axis, found) = "{op}: element {k} is out of range for axis {axis} of {found}";
            axes_turned(op, start, end) = "{op}: expected the first axis before the last one, found {start} and {end}";
            axis_outside(op, axis, found) = "{op}: axis {axis} is out of range for {found}";
        }
        /// Shapes do not broadcast.
        Broadcast: "broadcast",
            help "dims are aligned from the right; each pair must be equal or one of them 1"
        {
            no_broadcast_to(op, found, shape) = "{op}: cannot broadcast {found} to {shape}";
            no_broadcast(op, left, right) = "{op}: shapes do not broadcast: {left}, {right}";
            no_broadcast_with(op, found, shape) = "{op}: cannot broadcast {found} with {shape}";
            limits_broadcast(op, found) = "{op}: cannot broadcast {found} with the other limit";
            leading_broadcast(op, left, right) = "{op}: leading dims do not broadcast: {left}, {right}";
            indices_broadcast(op, left, right) = "{op}: indices do not broadcast: {left} and {right}";
        }
        /// Number of elements changes in a reshape.
        Reshape: "number of elements",
            help "the product of the sizes must stay the same; one size may be -1"
        {
            reshape_open(op, size, found) = "{op}: cannot infer -1, because `{size}` does not divide the number of elements of {found}";
            reshape_two_open(op) = "{op}: expected at most one -1";
            reshape_elements(op, found, from, shape, into) = "{op}: {found} has `{from}` elements, {shape} has `{into}`";
            unflatten_nothing(op) = "{op}: expected one size or more";
        }
        /// A slice outside its axis.
        Slice: "slice",
            help "write `slice(x, [start], [stop], axes = [axis])`; negative numbers count from the end"
        {
            slice_outside(op, start, stop, axis, found) = "{op}: `{start}..{stop}` is out of range for axis {axis} of {found}";
            slice_stride(op) = "{op}: expected a stride of 1 or more";
        }
        /// A size that no tensor can have.
        Size: "impossible size" {
            negative_size(op) = "{op}: expected sizes of 0 or more";
            arange_step(op) = "{op}: expected numbers and a step other than 0";
            more_than(op, number, size, found) = "{op}: expected at most `{size}`, found `{number}`: {found}";
            more_than_there_are(op, k, axis, found) = "{op}: cannot take `{k}` elements of axis {axis} of {found}";
            window_steps(op, found) = "{op}: expected kernel, stride and dilation of 1 or more and padding of 0 or more: {found}";
            window_too_large(op, kernel, size, found) = "{op}: a window of `{kernel}` does not fit into `{size}`: {found}";
        }
        /// A stride that cannot be proved to divide its length.
        Stride: "stride",
            help "write the size so that the stride divides it: as a number, as a product, or with `#[require(size % stride == 0)]`"
        {
            steps_unknown(op, step, length) = "{op}: cannot prove that the stride `{step}` divides the length `{length}`";
            window_stride(op, stride, size, found) = "{op}: cannot prove that the stride `{stride}` divides `{size}`: {found}";
        }
        /// The letters of a sum of products.
        Subscripts: "subscripts",
            help "each dim has a letter: `einsum(\"bld,dh->blh\", [x, w])`"
        {
            subscripts_without_arrow(op, text) = "{op}: expected `->` in `{text}`";
            subscripts_count(op, letters, tensors) = "{op}: expected one subscript for each of {tensors} tensors, found {letters}";
            subscripts_rank(op, letters, n, shape) = "{op}: expected one letter for each dim of {shape}, found {n} in `{letters}`";
            subscripts_letter(op, letters) = "{op}: expected a different letter for each dim, found `{letters}`";
            subscripts_result(op, letters) = "{op}: expected letters of the tensors in the result, each once, found `{letters}`";
        }
        /// Invalid permutation of axes.
        Permutation: "permutation",
            help "name each axis once"
        {
            axis_twice(op) = "{op}: duplicate axis";
            axes_count(op, axes, found) = "{op}: expected one axis for each dim of {found}, found {axes}";
        }
        /// A `rearrange!` is not understood.
        Rearrange: "rearrange",
            help "write `rearrange!(\"b l (h d) -> b h l d\", x, h = heads)`: each name once on either side, all but one size of a group known"
        {
            pattern_without_arrow() = "rearrange: expected `->` in the pattern";
            pattern_twice(name) = "rearrange: `{name}` appears twice on one side";
            pattern_missing(name, side) = "rearrange: `{name}` is missing on the {side}";
            pattern_parentheses() = "rearrange: unbalanced parentheses";
            pattern_word(word) = "rearrange: expected a name, found `{word}`";
            pattern_axes(axes, found) = "rearrange: the left side has {axes} axes, but {found}";
            pattern_size(name, near) = "rearrange: `{name}` is not in the pattern{near}";
            pattern_size_twice(name) = "rearrange: duplicate size of `{name}`";
            group_size(group, size, axis, found) = "rearrange: expected `({group})` to have the size `{axis}`, found `{size}`: {found}";
            group_not_divided(divisor, dividend, found) = "rearrange: cannot prove that `{divisor}` divides `{dividend}`: {found}";
            sizes_of_the_cache(found) = "rearrange: two of the sizes are known to the cache alone: {found}";
            group_open(group, found) = "rearrange: more than one unknown size in `({group})`: {found}";
        }
    } };
}
