//! The table of every mistake that the macros report: kinds, labels, hints and texts.
//!
//! A line is a constructor: `unknown_field(model, name, near) = ".."` gives
//! `Diag::unknown_field(span, model, name, near)`, and nothing else makes a [`Diag`]. Texts name both
//! shapes, in the user's names, and where each comes from; hints say what to type.
//!
//! Tests: `tests/errors.rs`; `mlx-tests --test ui`.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// A mistake at its place.
#[derive(Clone, Debug)]
#[allow(clippy::manual_non_exhaustive)] // which would let this crate make one
pub struct Diag {
    /// The kind of mistake.
    pub code: Code,
    /// The place of the mistake.
    pub span: Span,
    /// The text, in the user's names.
    pub message: String,
    /// Keeps every other module from making one without the table.
    _from_the_table: (),
}

impl Diag {
    /// The whole text: message, then the hint on its own line.
    pub fn text(&self) -> String {
        match self.code.hint() {
            "" => self.message.clone(),
            hint => format!("{}\nhelp: {hint}", self.message),
        }
    }

    /// The error as rustc shows it, at the mistake's own tokens.
    pub fn to_tokens(&self) -> TokenStream {
        let text = self.text();
        quote_spanned! { self.span => ::core::compile_error!(#text); }
    }
}

impl From<syn::Error> for Diag {
    fn from(e: syn::Error) -> Self {
        Diag::syntax(e.span(), e)
    }
}

/// One line of the table.
pub struct Entry {
    /// The kind of mistake.
    pub code: Code,
    /// The constructor's name.
    pub name: &'static str,
    /// The text, with its parameters in braces.
    pub text: &'static str,
}

macro_rules! errors {
    ($(
        $(#[$doc:meta])*
        $code:ident: $label:literal $(, help $hint:literal)? {
            $($name:ident($($p:ident),*) = $text:literal;)*
        }
    )*) => {
        /// The kind of a mistake. Each has a label that names it and a hint that says what to type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];

            /// Its name in the reference.
            pub fn label(self) -> &'static str {
                match self { $(Code::$code => $label,)* }
            }

            /// The hint for the user; empty where the texts say it already.
            pub fn hint(self) -> &'static str {
                match self { $(Code::$code => concat!($($hint)?),)* }
            }
        }

        /// All lines of the table.
        pub const ENTRIES: &[Entry] = &[$($(
            Entry { code: Code::$code, name: stringify!($name), text: $text },
        )*)*];

        impl Diag {
            $($(
                #[doc = $text]
                pub(crate) fn $name(span: Span, $($p: impl Display),*) -> Diag {
                    Diag { code: Code::$code, span, message: format!($text), _from_the_table: () }
                }
            )*)*
        }
    };
}

errors! {
    /// The tokens are not what the grammar of Rust or of an attribute has there.
    Syntax: "syntax" {
        syntax(why) = "not understood: {why}";
        not_a_keyword(found) = "expected `key = value`, found `{found}`";
        value_after_keys() = "values without a key come first";
        too_deep() = "this is nested too deeply or too long: name parts of it with `let`";
        number_too_large() = "this number is beyond the range of a float";
    }
    /// An attribute's argument is not understood.
    Attribute: "attribute" {
        unknown_key(key, near, known) = "unknown argument `{key}`{near}{known}";
        unknown_model_key(key, near) = "unknown argument `{key}`{near}; `#[mlx_model]` takes `config = Type`, `dims(name = size, ..)`, `fuse(..)` and `digest = \"file\"`";
        frozen_kind(field, kind) = "`#[frozen]` belongs on a layer that holds weights; `{field}` is a `{kind}`";
        helper_kind(helper, field, kind) = "`#[{helper}]` does not belong on `{field}`, a `{kind}`";
        linear_only(helper, kinds, field, kind) = "`#[{helper}]` belongs on a {kinds}; `{field}` is a `{kind}`";
        param_kind(known, kind, near) = "`#[param]` belongs on {known}; `{kind}`{near} is a sub-model and brings its own shapes";
        tied_form() = "write `#[tied(field)]` or `#[tied(field, when = flag)]`";
        when_form() = "write `#[when(flag)]`";
        dtype_form() = "`dtype` is float, f32, i32, u32 or bool";
        fuse_form() = "write `fuse(off)`, `fuse(only(pass, ..))` or `fuse(except(pass, ..))`";
        unknown_pass(name, near, known) = "no pass `{name}`{near}; there are {known}";
        layers_without_count(field) = "`{field}` is a stack of layers: say how many, `#[layers(num_hidden_layers)]`";
        rope_without_size(field) = "`{field}` needs its head size: `#[rope(head_dim, base = rope_theta)]`";
        config_not_a_type() = "`config` is the name of a type";
        no_config() = "name the type that holds the sizes: `#[mlx_model(config = MyConfig)]`";
        dim_without_name() = "a size needs a name: `dims(q = heads * head_dim)`";
        attribute_twice(helper, field) = "`#[{helper}]` stands twice on `{field}`";
        key_twice(key) = "`{key}` is given twice";
        flag_arguments(helper) = "`#[{helper}]` takes no arguments";
        option_negative(option) = "`{option}` is 0 or more";
    }
    /// Two things that contradict each other.
    Contradiction: "contradiction",
        help "remove one of the two"
    {
        lora_of_frozen(field) = "`{field}` is never trained (`#[frozen]`), but `#[lora]` lets it be adapted";
        tied_and_own(helper, field) = "`{field}` is always tied and has no weight of its own: `#[{helper}]` has no effect";
        require_twice(condition) = "`{condition}` is required twice";
        requires_contradict(condition) = "`{condition}` cannot hold together with the other conditions; sizes are 1 or more";
        condition_never(condition) = "`{condition}` never holds here: what is required or asked before contradicts it";
        condition_always(condition) = "`{condition}` always holds here: what is required or asked before says so already";
        dim_twice(name) = "the size `{name}` is defined twice";
        dim_hides_field(name) = "the size `{name}` hides the field `{name}` of the config: give the size another name";
    }
    /// A name that means two things.
    Name: "name",
        help "give one of the two another name; a field's name in the checkpoint is `#[weights(\"name\")]`"
    {
        name_shared(field, name, other) = "`{field}` is called \"{name}\" in the checkpoint, as `{other}` is";
        name_twice(name, other) = "the method `{name}` has the name of {other}";
        name_reserved(name, meaning) = "`{name}` is {meaning}, not a variable";
        arguments_alike(name) = "two arguments are called `{name}`";
    }
    /// Something without an effect.
    NoEffect: "no effect",
        help "use it, remove it, or begin its name with `_`"
    {
        never_read(what, name) = "{what} `{name}` is never read";
        assigned_never_read(name) = "the value assigned to `{name}` is never read";
        overwritten(name) = "the value of `{name}` is never read: another is assigned before";
        size_never_used(name) = "the size `{name}` of `dims(..)` is never used";
    }
    /// A choice that chooses nothing.
    NoChoice: "choice without effect",
        help "remove the `if`, or assign in one arm what the other does not"
    {
        if_without_effect() = "this `if` assigns nothing and moves no cache";
        arms_equal() = "both arms of the `if` are the same";
    }
    /// `mut` is missing, or is not needed.
    Mutable: "mut",
        help "write `let mut h = ..;` for a variable that is assigned, and `let h = ..;` for one that is not"
    {
        not_mutable(name) = "`{name}` is assigned, but it is not `mut`";
        never_assigned(name) = "`{name}` is `mut`, but it is never assigned";
    }
    /// A model or method that needs itself.
    Endless: "endless recursion",
        help "the language has no case in which it would end: call another method, or hold another model"
    {
        calls_itself(method, through) = "`{method}` calls itself{through}, without end";
        holds_itself(model) = "`{model}` holds itself, without end";
    }
    /// A number that is not known to be inside of a size.
    Bound: "bound of a size",
        help "say that it is, on the struct: `#[require(n <= hidden_size)]`; it is checked once, when the model is loaded"
    {
        place_unknown(op, place, size, found) = "{op}: `{place}` is not known to be at most `{size}`: {found}";
        size_unknown(op, size) = "{op}: `{size}` is not known to be 0 or more";
    }
    /// The item the attribute stands on is not one it can define.
    Item: "item",
        help "put `#[mlx_model]` on a struct with named fields and on its inherent `impl` block"
    {
        not_a_model(what) = "`#[mlx_model]` does not fit {what}";
        fields_without_names() = "a model is a struct with named fields";
        not_a_method() = "only methods belong here; put other items in a plain `impl`";
    }
    /// A parameter has the wrong number of dims.
    ParamRank: "shape of a parameter" {
        dims_count(what, n, found) = "{what} takes {n} dim(s), found {found}";
    }
    /// A dim is not known here.
    UnknownDim: "unknown dim",
        help "a dim that begins with a capital must appear in the shape of an argument; any other is a field of the config"
    {
        free_dim_unbound(dim, near) = "no argument of this method has the dim `{dim}` on its own{near}";
        free_dim_of_struct(dim) = "`{dim}` begins with a capital: such dims are bound by a call, a struct has fields of the config";
        config_dim_in_function(dim) = "`{dim}` is a field of a config, which a function has not: its sizes begin with a capital";
    }
    /// A dim's expression is not a polynomial.
    DimExpr: "size",
        help "a dim is a name, a number, or a sum, product or exact quotient of these"
    {
        size_not_whole() = "a size is a whole number";
        size_operator(op) = "`{op}` has no meaning for sizes";
        not_a_size() = "this is not a size";
        size_too_large() = "a size is at most 2147483647";
        size_below_one(size) = "a size is 1 or more, found `{size}`";
        no_layers(size) = "a stack has one layer or more, found `{size}`";
        group_of_quantize(field, group, size) = "`{field}`: groups of {group} do not divide its last dim `{size}`";
        rotated_of_rope(field, rotated, dims) = "`{field}`: `{rotated}` values are not an even part of a head of `{dims}`";
    }
    /// A quotient that may have a remainder.
    Quotient: "quotient",
        help "say that it does, on the struct: `#[require(a % b == 0)]`; it is checked once, when the model is loaded"
    {
        not_divided(divisor, dividend) = "`{divisor}` is not known to divide `{dividend}`";
    }
    /// The statement is not part of the language.
    Statement: "statement",
        help "a body holds `let`, assignments, `for layer in self.layers { .. }`, `if config.flag { .. }` and a last expression"
    {
        unknown_statement() = "this statement is not part of the language";
        value_unused() = "nothing uses this value: give it a name with `let`";
        let_without_value() = "a `let` needs a value";
        assigned_expression() = "only a variable can be assigned";
        unknown_pattern() = "a pattern is a name, `_`, or a tuple of these";
        block_without_value() = "the block ends without a value";
        arm_value_unused() = "the value of this arm is not used: assign it, or give the `if` a name with `let`";
    }
    /// A loop that is not over a stack of layers.
    Loop: "loop",
        help "a loop runs a stack of layers: `for layer in self.layers { h = layer(h, cache); }`"
    {
        loop_form() = "this loop is not part of the language";
        not_a_stack(field, kind) = "`{field}` is a `{kind}`, not a stack of layers (`Vec<..>`)";
        cache_not_last() = "the cache is the last argument of a layer";
    }
    /// The expression is not part of the language.
    Expression: "expression",
        help "write operations of MLX (`x.reshape([..])`, `softmax(x, -1)`), calls of fields (`self.q_proj(x)`) and + - * /"
    {
        unknown_expression() = "this expression is not part of the language";
        unknown_operator(op, instead) = "`{op}` is not part of the language: write `{instead}`";
        not_a_variable(path) = "`{path}` is not a variable";
        not_a_callee() = "this cannot be called";
        number_alone() = "a number alone has no shape; use it in an operation with a tensor";
    }
    /// A field is used as what it is not.
    FieldUse: "use of a field",
        help "a `Param` is read as `self.name`, a layer or sub-model is called, `self.name(x)`, a stack is run, `for layer in self.name { .. }`"
    {
        not_a_param() = "only `self.field` of a `Param` is a value";
        layer_as_value(field, kind) = "`{field}` is a `{kind}`, not a value";
        not_callable(field, kind) = "`{field}` is a `{kind}` and cannot be called";
        not_a_field() = "expected a field, `self.name`";
        not_a_linear(field, kind) = "`{field}` is a `{kind}`, not a `Linear`";
    }
    /// A function asks for a config.
    Function: "function",
        help "a function has no config: its sizes are free dims, its numbers arguments, `cap: f32`"
    {
        config_in_function() = "there is no config in a function";
        condition_in_function() = "a function cannot choose by a config: make the choice where it is called";
        fn_on_other() = "`#[mlx_fn]` belongs on a free function";
        function_receiver() = "`#[mlx_fn]` belongs on a free function; methods go into the model's `impl`";
    }
    /// A method's signature is not understood.
    Signature: "signature",
        help "tensors are `x: Tensor![B, L, hidden]` or `tokens: Tensor![B, L; i32]`, numbers `cap: f32`, a cache is `cache: &mut KvCache`"
    {
        no_receiver() = "a method of a model takes `&self`";
        argument_pattern() = "an argument is a plain name";
        no_result() = "it returns a tensor: `-> Tensor![..]`";
        mixed_dim(dim) = "`{dim}` mixes a free dim with others: give it a name of its own";
        tuple_argument() = "an argument is one tensor, a number or the cache";
        two_caches() = "a method takes one cache at most";
        result_kind() = "a method returns a tensor or a tuple of tensors";
        async_or_generic() = "it is neither async nor generic";
        unknown_type(ty) = "`{ty}` is not a type of the language";
    }
    /// No such variable.
    UnknownName: "unknown variable" {
        unknown_variable(name, near) = "no variable `{name}`{near}";
    }
    /// No such field.
    UnknownField: "unknown field" {
        tied_to_nothing(source, near) = "`{source}` is not an Embedding or Linear of this struct with a weight of its own{near}";
        unknown_field(model, name, near) = "`{model}` has no field or method `{name}`{near}";
    }
    /// No such operation.
    UnknownOp: "unknown operation" {
        unknown_operation(name, near) = "no operation `{name}`{near}";
    }
    /// Too few, too many or misnamed arguments.
    Arguments: "arguments" {
        too_many_arguments(op, signature, found) = "`{op}` takes {signature}, found {found} arguments";
        argument_missing(op, signature, name) = "`{op}` takes {signature}: `{name}` is missing";
        argument_twice(op, name) = "`{op}` gets its argument `{name}` twice";
        unknown_argument(op, name, near, signature) = "`{op}` has no argument `{name}`{near}; it takes {signature}";
        layer_arguments(layer, what, found) = "`{layer}` takes {what}, found {found} arguments";
        method_arguments(method, names, found) = "`{method}` takes ({names}), found {found} arguments";
        no_tensor(callee) = "`{callee}` takes at least one tensor";
        cache_update_arguments() = "`cache.update` takes keys and values";
        loss_arguments() = "`linear_cross_entropy` takes (x, self.head, targets, weights)";
        no_limit(op) = "{op}: needs a limit, below or above";
        slice_count(op, axes, found) = "{op}: one start, stop and stride for each of {axes} axes of {found}";
        pad_pairs(op, pairs, found) = "{op}: {pairs} pairs for {found}";
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
        expected_dtype() = "expected a dtype: float, f32, i32, u32 or bool";
        expected_cache(found) = "expected the cache, but {found}";
        expected_tensor(found) = "expected one tensor, but {found}";
        numbers_alone(op) = "`{op}` of numbers alone has no tensor";
        packed_numbers(op, group, bits) = "{op}: groups are of 32, 64 or 128 and bits 2, 3, 4, 5, 6 or 8, found {group} and {bits}";
        parts_count(op) = "{op}: the number of parts is between 1 and 64";
        expected_text() = "expected a text in quotes";
        expected_word(known, near) = "expected one of {known}{near}";
        expected_one_or_two(found) = "expected one size or two, found {found}";
        expected_pairs() = "expected a pair for each axis, `[(0, 0), (1, 1)]`";
        expected_parts() = "expected a number of parts, or sizes such as `[q, kv, kv]`";
        expected_contraction() = "expected a number of axes, or as many of each side: `[[1, 2], [0, 1]]`";
        number_outside(op, name, range, found) = "{op}: `{name}` is {range}, found {found}";
        limits_turned(op, low, high) = "{op}: no value is both at least {low} and at most {high}";
        divisor_zero(op) = "{op}: the divisor is zero";
        expected_window() = "expected the number of keys that a query sees: `sliding(config.sliding_window)`";
    }
    /// The inner dims of a product differ.
    Inner: "inner dims",
        help "the last dim of the left side must equal the dim it is multiplied with"
    {
        layer_input(layer, line, want, found) = "`{layer}` (line {line}) takes [.., {want}], but {found}";
        channels_differ(op, groups, input, weight) = "{op}: channels do not fit `{groups}` group(s): {input}, {weight}";
        inner_differs(op, a, b, left, right) = "{op}: inner dims `{a}` and `{b}` differ: {left}, {right}";
        letter_of_two_sizes(op, letter, a, b, found) = "{op}: `{letter}` is both `{a}` and `{b}`: {found}";
        layer_takes(layer, takes, found) = "`{layer}` takes {takes}, but {found}";
    }
    /// A tensor has the wrong number of dims.
    Rank: "rank" {
        rope_shape(layer, found) = "`{layer}` rotates [batch, heads, length, head size], but {found}";
        cache_update_shape(found) = "needs [batch, heads, length, head size], but {found}";
        needs_heads(op, found) = "{op}: needs [batch, heads, length, head size], but {found}";
        needs_two_dims(op, found) = "{op}: needs two dims or more, but {found}";
        needs_positions(op, found) = "{op}: needs [.., batch, length, head size], but {found}";
        needs_length(op, found) = "{op}: needs [batch, length, ..], but {found}";
        conv_rank(op, form, dims, found) = "{op}: needs {form}, {dims} dims in all, but {found}";
        pool_rank(op, dims, found) = "{op}: needs [batch, size.., channels], {dims} dims in all, but {found}";
        needs_a_dim(op, found) = "{op}: needs one dim or more, but {found}";
        needs_a_vector(op, found) = "{op}: needs one dim, but {found}";
        needs_a_matrix(op, found) = "{op}: needs two dims, but {found}";
        conv_input(layer, takes, found) = "`{layer}` needs {takes}, but {found}";
    }
    /// Two dims must be equal.
    DimMismatch: "dims" {
        tied_shape(field, own, source, other) = "`{field}` is {own}, but the weight of `{source}` is {other}";
        method_argument(argument, method, want, found) = "`{argument}` of `{method}` is {want}, but {found}";
        loss_targets(rows, found) = "one target of i32 for each row of {rows}, but {found}";
        loss_weights(rows, found) = "one weight of f32 for each row of {rows}, but {found}";
        attention_differs(op, what, left, right) = "{op}: {what} differ: {left}, {right}";
        sinks_count(op, queries, sinks) = "{op}: one sink for each head: {queries}, {sinks}";
        heads_shared(op, heads, shared, queries, keys) = "{op}: {heads} heads cannot share {shared}: {queries}, {keys}";
        rotated_part(op, size, found) = "{op}: `{size}` is not an even part of the last dim: {found}";
        shapes_differ(op, left, right) = "{op}: both must have one shape: {left}, {right}";
        indices_shape(op, axis, left, right) = "{op}: dims other than axis {axis} differ: {left}, {right}";
        packed_words(op, bits, found) = "{op}: {bits} bits are not known to divide the words of {found}";
        packed_scales(op, group, weights, scales, biases) = "{op}: one scale and bias for {group} weights: {weights}, {scales}, {biases}";
        targets_shape(op, input, left, right) = "{op}: one target for each row of {input}: {left}, {right}";
        weights_shape(op, left, right) = "{op}: one weight for each target: {left}, {right}";
        no_halves(op, size, found) = "{op}: 2 is not known to divide `{size}` of {found}";
        norm_weight(op, weight, left, right) = "{op}: the {weight} must have the last dim's size: {left}, {right}";
        axis_not_one(op, axis, size, found) = "{op}: axis {axis} has size `{size}`, not 1: {found}";
        joined_shapes(op, axis, found) = "{op}: only axis {axis} may differ: {found}";
        stacked_shapes(op, found) = "{op}: all shapes must be equal: {found}";
        parts_unknown(op, parts, size, found) = "{op}: {parts} is not known to divide `{size}` of {found}";
        parts_sum(op, sum, axis, size, found) = "{op}: the sizes add up to `{sum}`, but axis {axis} is `{size}`: {found}";
    }
    /// dtypes differ.
    Dtype: "dtype",
        help "cast one side with `.astype(float)`, `.astype(f32)` or `.astype(i32)`"
    {
        layer_dtype(layer, found) = "`{layer}` works on the activations' dtype, but {found}";
        index_dtype(layer, found) = "`{layer}` is indexed with i32 or u32, but {found}";
        mask_dtype(op, dtype, found) = "{op}: a mask is bool or {dtype}, but {found}";
        linspace_dtype(op) = "{op}: the values are floating point";
        bool_sign(op, found) = "{op}: bool has no sign, but {found}";
        needs_numbers(op, found) = "{op}: needs numbers, but {found}";
        needs_bool(op, found) = "{op}: {found} must be bool";
        needs_whole(op, found) = "{op}: needs whole numbers, but {found}";
        condition_dtype(op, found) = "{op}: the condition must be bool, but {found}";
        needs_float(op, found) = "{op}: needs floating point, but {found}";
        needs_packed(op, found) = "{op}: packed weights are [.., out, words] of u32, but {found}";
        needs_bits(op, found) = "{op}: needs whole numbers or bool, but {found}";
        indices_dtype(op, found) = "{op}: indices are whole numbers, but {found}";
        dtypes_of_list(op, found) = "{op}: dtypes differ: {found}";
        dtypes_meet(op, a, b, why, left, right) = "{op}: dtypes {a} and {b} meet{why}: {left}, {right}";
        number_beyond(op, dtype, found) = "{op}: the number is beyond the range of {dtype}, since {found}";
        number_cut(op, dtype, found) = "{op}: the number would be cut to {dtype}, since {found}";
    }
    /// No such dtype.
    UnknownDtype: "unknown dtype",
        help "dtypes are float (that of the activations, chosen when the model is loaded), f32, i32, u32 and bool"
    {
        unknown_dtype(name, near) = "no dtype `{name}`{near}";
    }
    /// The value's shape is not the declared one.
    Declared: "declared shape" {
        declared_other(want, found) = "declared {want}, but {found}";
        names_for_value(names, found) = "{names} names, but {found}";
    }
    /// The body's value is not what the signature returns.
    Return: "result" {
        returns_other(method, want, found) = "`{method}` returns {want}, but {found}";
        body_without_value(method, want) = "`{method}` returns {want}, but the body ends without a value";
    }
    /// A parameter that nothing uses.
    UnusedParam: "unused parameter",
        help "use it in a method, or remove the field"
    {
        unused_field(what, name) = "{what} `{name}` is loaded but no method uses it";
    }
    /// A cache that two layers would share.
    Cache: "cache",
        help "a cache serves one attention, one sub-model or one stack of layers in a method"
    {
        positions_late(line) = "positions are counted after `cache.update` in line {line} has moved the cache's end: rotate queries and keys before it";
        never_updated(name) = "`{name}` is never updated in this method, so that positions would begin at 0 in each call: update it, or write `KvCache::off()`";
        cache_shared(line) = "the cache is used a second time in this method, after line {line}";
    }
    /// Not a condition that the config decides.
    Condition: "condition",
        help "a condition compares fields of the config, numbers and `layer`: `config.qk_norm`, `(layer + 1) % config.pattern != 0`"
    {
        not_a_condition() = "not a condition that the config decides";
        condition_variable(name) = "`{name}` is not known when the model is loaded; a field of the config is `config.{name}`";
        condition_of_short_name(name, size) = "`{name}` is a name from `dims(..)`; a condition is on fields of the config: write `{size}`";
        condition_divisor() = "the divisor is zero";
        condition_assigned(name) = "`{name} = ..` is not a condition: write `{name} == ..`";
        condition_field() = "only fields of the config are known when the model is loaded";
    }
    /// An optional layer is used where it may be absent.
    Optional: "optional layer",
        help "an optional layer is `q_norm: Option<RmsNorm>` with `#[when(qk_norm)]`, and is used inside `if config.qk_norm { .. }`"
    {
        option_without_when(field) = "`{field}` is optional: say when it exists, `#[when(flag)]`";
        when_without_option(field) = "`{field}` has a condition: its type is `Option<..>`";
        optional_outside(field, when) = "`{field}` exists only when `{when}`";
    }
    /// The two arms of an `if` differ.
    Arms: "arms of an `if`",
        help "both arms must give values of the same shapes and dtypes; without `else` the value stays as it was"
    {
        arms_differ(then, otherwise) = "the arms of the `if` differ: {then}, {otherwise}";
        arms_count(then, otherwise) = "one arm gives {then} value(s), the other {otherwise}";
        if_without_else() = "the `if` gives a value and needs an `else`";
        arm_without_value() = "an arm of the `if` ends without a value";
    }
    /// A `rearrange!` is not understood.
    Rearrange: "rearrange",
        help "write `rearrange!(\"b l (h d) -> b h l d\", x, h = heads)`: each name once on either side, all but one size of a group known"
    {
        pattern_without_arrow() = "rearrange: the pattern has no `->`";
        pattern_twice(name) = "rearrange: `{name}` stands twice on one side";
        pattern_missing(name, side) = "rearrange: `{name}` is missing on the {side}";
        pattern_parentheses() = "rearrange: the parentheses do not match";
        pattern_word(word) = "rearrange: `{word}` is not a name";
        pattern_axes(axes, found) = "rearrange: the left side has {axes} axes, but {found}";
        pattern_size(name, near) = "rearrange: `{name}` is not in the pattern{near}";
        pattern_size_twice(name) = "rearrange: the size of `{name}` is given twice";
        group_size(group, size, axis, found) = "rearrange: `({group})` has the size `{size}`, not `{axis}`: {found}";
        group_not_divided(divisor, dividend, found) = "rearrange: `{divisor}` is not known to divide `{dividend}`: {found}";
        sizes_of_the_cache(found) = "rearrange: the cache alone knows two of the sizes: {found}";
        group_open(group, found) = "rearrange: more than one size of `({group})` is open: {found}";
    }
    /// The names in a checkpoint are not understood.
    Weights: "names in a checkpoint",
        help "names are strings: `\"a.b\"`, alternatives `\"a\" | \"b\"`, joined rows `\"q\" + \"k\"`, `transposed(\"a\")`, from the root `\"/a\"`, in another scheme `gguf = \"c\"`"
    {
        holds_no_tensors(field, kind) = "`{field}` is a `{kind}` and holds no tensors";
        unknown_weights_word(word, near) = "`#[weights]`: unknown word `{word}`{near}";
        second_name() = "`#[weights]`: a second name; alternatives are written `\"a\" | \"b\"`";
        scheme_twice(scheme) = "`#[weights]`: the scheme `{scheme}` is named twice";
        no_name() = "`#[weights]`: no name is given";
        name_not_text() = "`#[weights]`: a name is a string";
        not_a_name() = "`#[weights]`: not a name of tensors";
        broken_name(name) = "{name} is no name: words with dots between them";
        joined_kind(field, kind) = "rows are joined for a `Linear` or `Param`; `{field}` is a `{kind}`";
        transposed_kind(field, kind) = "only a matrix can be stored transposed; `{field}` is a `{kind}`";
        index_kind(field, kind) = "`{{}}` stands for the index of the first axis of a `Param` or `SwitchLinear`; `{field}` is a `{kind}`";
        index_twice(name) = "{name} may hold `{{}}` once and no other braces";
        index_in_a_word(name) = "in {name} `{{}}` must stand between dots";
    }
    /// A `#[quantize]` that is not understood.
    Quantize: "quantisation",
        help "write `#[quantize(bits = 4, group_size = 64)]`, `#[quantize(mode = \"mxfp4\")]` or `#[quantize(never)]` on a `Linear` or `Embedding` with a weight of its own"
    {
        quantized_kind(field, kind) = "`#[quantize]` does not fit `{field}`, a `{kind}`";
        quantized_tied(field) = "`{field}` has no weight of its own to quantise";
        quantize_form() = "`#[quantize]`: neither numbers nor `never`";
        quantize_number(key, known) = "`{key}` is one of {known}";
        quantize_mode() = "`mode` is one of \"affine\", \"mxfp4\", \"mxfp8\", \"nvfp4\"";
        quantize_mode_numbers() = "this mode has bits and a group size of its own";
    }
    /// The digest of a checkpoint cannot be used.
    Digest: "digest",
        help "`llama_lora digest MODEL --out FILE` writes one; the name is relative to the crate's root, or to the source file if it begins with `./`"
    {
        digest_form() = "`digest` is the name of a file";
        digest_of_generics() = "a digest belongs on a whole model, without type parameters";
        digest_nowhere(file) = "cannot tell where `{file}` would be";
        digest_unreadable(file, why) = "cannot read the digest `{file}`: {why}";
        digest_line(file, line, text) = "line {line} of `{file}` is neither `config.name = value` nor `name [sizes] dtype`: {text}";
        digest_empty(file) = "`{file}` lists no tensors";
    }
    /// The checkpoint policy is not understood.
    Checkpoint: "checkpoint policy",
        help "write `checkpoint = auto`, `every(4)`, `always` or `never`"
    {
        unknown_policy() = "not a checkpoint policy";
    }
    /// A parameter's field has no shape.
    MissingParam: "parameter without a shape",
        help "give the parameter its shape, outputs first: `#[param(out, in)]`"
    {
        param_without_shape(field, kind) = "`{field}` is a `{kind}` without a shape";
    }
    /// An axis outside the tensor's rank.
    Axis: "axis",
        help "axes count from 0, or from -1 backwards"
    {
        no_element(op, k, axis, found) = "{op}: there is no element {k} along axis {axis} of {found}";
        axes_turned(op, start, end) = "{op}: axis {start} comes after axis {end}";
        axis_outside(op, axis, found) = "{op}: axis {axis} is outside {found}";
    }
    /// Shapes do not broadcast.
    Broadcast: "broadcast",
        help "dims are aligned from the right; each pair must be equal or one of them 1"
    {
        no_broadcast_to(op, found, shape) = "{op}: {found} does not broadcast to {shape}";
        no_broadcast(op, left, right) = "{op}: shapes do not broadcast: {left}, {right}";
        no_broadcast_with(op, found, shape) = "{op}: {found} does not broadcast with {shape}";
        limits_broadcast(op, found) = "{op}: {found} does not broadcast with the other limit";
        leading_broadcast(op, left, right) = "{op}: leading dims do not broadcast: {left}, {right}";
        indices_broadcast(op, left, right) = "{op}: indices do not broadcast: {left} and {right}";
    }
    /// Number of elements changes in a reshape.
    Reshape: "number of elements",
        help "the product of the sizes must stay the same; one size may be -1"
    {
        reshape_open(op, size, found) = "{op}: -1 has no size: `{size}` does not divide the elements of {found}";
        reshape_two_open(op) = "{op}: more than one -1";
        reshape_elements(op, found, from, shape, into) = "{op}: {found} has `{from}` elements, {shape} has `{into}`";
        unflatten_nothing(op) = "{op}: needs one size or more";
    }
    /// A part that is not inside of its axis.
    Slice: "part of an axis",
        help "a part is `slice(x, [start], [stop], axes = [axis])`; negative numbers count from the end"
    {
        slice_outside(op, start, stop, axis, found) = "{op}: `{start}..{stop}` is outside axis {axis} of {found}";
        slice_stride(op) = "{op}: a stride is 1 or more";
    }
    /// A size that no tensor can have.
    Size: "impossible size" {
        negative_size(op) = "{op}: a size is negative";
        arange_step(op) = "{op}: needs a step that is not 0, and numbers";
        more_than(op, number, size, found) = "{op}: `{number}` is more than `{size}`: {found}";
        more_than_there_are(op, k, axis, found) = "{op}: `{k}` elements of axis {axis} of {found}";
        window_steps(op, found) = "{op}: kernel, stride and dilation are 1 or more, padding 0 or more: {found}";
        window_too_large(op, kernel, size, found) = "{op}: the window of `{kernel}` does not fit into `{size}`: {found}";
    }
    /// Steps whose number is not known.
    Stride: "stride",
        help "write the size so that the stride divides it: as a number, as a product, or with `#[require(size % stride == 0)]`"
    {
        steps_unknown(op, step, length) = "{op}: steps of `{step}` through `{length}` have no known number";
        window_stride(op, stride, size, found) = "{op}: a stride of `{stride}` is not known to divide `{size}`: {found}";
    }
    /// The letters of a sum of products.
    Subscripts: "subscripts",
        help "each dim has a letter: `einsum(\"bld,dh->blh\", [x, w])`"
    {
        subscripts_without_arrow(op, text) = "{op}: `{text}` has no `->`";
        subscripts_count(op, letters, tensors) = "{op}: {letters} subscripts for {tensors} tensors";
        subscripts_rank(op, letters, n, shape) = "{op}: `{letters}` names {n} dims of {shape}";
        subscripts_letter(op, letters) = "{op}: `{letters}`: each dim has a letter of its own";
        subscripts_result(op, letters) = "{op}: `{letters}`: each letter of the result is one of the tensors', once";
    }
    /// A permutation that is none.
    Permutation: "permutation",
        help "name each axis once"
    {
        axis_twice(op) = "{op}: an axis is named twice";
        axes_count(op, axes, found) = "{op}: {axes} axes are named for {found}";
    }
    /// The body of a kernel needs more than one launch.
    Kernel: "kernel",
        help "a kernel is one launch over rows: each element is computed from its own row. Split the body into kernels, or write `#[mlx_fn]`, which has no such limit"
    {
        kernel_operation(op) = "`{op}` needs a launch of its own";
        kernel_call(name) = "`{name}` is another function, and its body is not known here: write it in this kernel";
        kernel_value() = "a kernel computes tensors from its arguments alone";
        kernel_crossed(op, found) = "{op}: the elements of one row come from several rows: {found}";
        kernel_two_rows(found, left, right) = "{found} has `{left}` columns in its row, other operations need `{right}` in one row";
        kernel_shared_result(found, dims) = "{found} is the same for each of `{dims}`, and other results have a row for each";
        kernel_stray_axis(found, dims) = "{found} has an axis `{dims}` that neither a result nor a reduction has";
        kernel_strided(found) = "{found}: the elements of one row do not lie at one distance in memory";
        kernel_repeated(left, right) = "a row of `{left}` meets a row of `{right}` whose elements are repeated";
        kernel_index() = "the place in a row that stands for several axes";
        kernel_index_per_column(found) = "{found} chooses a row for each column";
        kernel_largest_number(op) = "{op}: a kernel does not know the largest number of the stored dtype: give `posinf` and `neginf`";
    }
    /// An attribute of a kernel is not understood.
    KernelAttribute: "attribute of a kernel",
        help "write `#[mlx_kernel]` or `#[mlx_kernel(vjp = function)]`, and `#[frozen]` before a float tensor that has no gradient"
    {
        kernel_argument(found) = "unknown argument `{found}` of `#[mlx_kernel]`";
        kernel_attribute(found) = "unknown attribute `{found}` of an argument of a kernel";
        kernel_frozen(name) = "`{name}` has no gradient that `#[frozen]` could take away";
        kernel_vjp_of_nothing() = "no argument of this kernel has a gradient that `vjp` could compute";
    }
}
