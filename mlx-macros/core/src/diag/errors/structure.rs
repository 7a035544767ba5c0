//! Errors of the struct, its attributes, signatures and sizes.
//!
//! Tests: `tests/errors.rs`; `mlx-tests --test ui`.

macro_rules! structure {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*
        /// The tokens are not what the grammar of Rust or of an attribute has there.
        Syntax: "syntax" {
            syntax(why) = "invalid syntax: {why}";
            not_a_keyword(found) = "expected `key = value`, found `{found}`";
            value_after_keys() = "expected `key = value`, found a value without a key behind a key";
            too_deep() = "nested too deeply or too long: bind parts of it with `let`";
            number_too_large() = "number out of range: expected one that a 32-bit float holds";
        }
        /// An attribute's argument is not understood.
        Attribute: "attribute" {
            unknown_key(key, near, known) = "unknown argument `{key}`{near}{known}";
            unknown_attribute(name, near) = "unknown attribute `#[{name}]`{near}";
            unknown_model_key(key, near) = "unknown argument `{key}`{near}; `#[mlx_model]` takes `config = Type`, `dims(name = size, ..)`, `fuse(..)` and `digest = \"file\"`";
            unknown_type_name(name, near) = "unknown type `{name}`{near}: nothing else in this file has the name";
            layer_not_imported(name) = "unknown type `{name}`: write `use mlx_runtime::nn::{name};`";
            model_lifetime() = "a model has no lifetimes: its layers own their tensors";
            type_parameter_unused(name) = "no field has the type parameter `{name}`: remove it";
            no_bound(name, config) = "type parameter `{name}` has no bound: write `{name}: Model<Config = {config}>`";
            impl_parameters(name, parameters, names) = "`{name}` has type parameters: write `impl<{parameters}> {name}<{names}>`";
            layer_parameters(kind) = "`{kind}` takes no type parameters: write `{kind}`";
            unknown_lint(name, near) = "unknown lint `{name}`{near}";
            impl_argument(found) = "`#[mlx_model]` of an `impl` takes `allow(lint)` alone, found `{found}`: write it on the struct";
            frozen_kind(field, kind) = "`#[frozen]` expects a layer that holds weights, found `{field}`, a `{kind}`";
            helper_kind(helper, field, kind) = "`#[{helper}]` does not apply to `{field}`, a `{kind}`";
            linear_only(helper, kinds, field, kind) = "`#[{helper}]` expects a {kinds}, found `{field}`, a `{kind}`";
            param_kind(known, kind, near) = "`#[param]` expects one of {known}, found `{kind}`{near}, a sub-model, which declares its own shapes";
            tied_form() = "expected `#[tied(field)]` or `#[tied(field, when = flag)]`";
            when_form() = "expected `#[when(flag)]`";
            dtype_form() = "invalid `dtype`: expected float, f32, i32, u32 or bool";
            fuse_form() = "expected `fuse(off)`, `fuse(only(pass, ..))` or `fuse(except(pass, ..))`";
            unknown_pass(name, near, known) = "unknown pass `{name}`{near}: expected one of {known}";
            array_length(most) = "expected a number of layers from 1 to {most}";
            layers_without_count(field) = "`{field}` is a stack of layers without a count: write `#[layers(num_hidden_layers)]`";
            rope_without_size(field) = "`{field}` has no head size: write `#[rope(head_dim, base = rope_theta)]`";
            config_not_a_type() = "expected the name of a type after `config =`";
            no_config() = "missing `config`, the type that holds the sizes: write `#[mlx_model(config = MyConfig)]`";
            dim_without_name() = "size without a name: write `dims(q = heads * head_dim)`";
            attribute_twice(helper, field) = "duplicate `#[{helper}]` on `{field}`";
            key_twice(key) = "duplicate argument `{key}`";
            flag_arguments(helper) = "`#[{helper}]` takes no arguments";
            option_negative(option) = "expected `{option}` to be 0 or more";
        }
        /// Two things that contradict each other.
        Contradiction: "contradiction",
            help "remove one of the two"
        {
            lora_of_frozen(field) = "`{field}` is never trained, because of `#[frozen]`, so `#[lora]` cannot adapt it";
            tied_and_own(helper, field) = "`#[{helper}]` has no effect on `{field}`, which is always tied and has no weight of its own";
            require_twice(condition) = "duplicate condition `{condition}`";
            requires_contradict(condition) = "`{condition}` contradicts the other conditions (a size is 1 or more)";
            condition_never(condition) = "`{condition}` is always false here: an earlier condition or `#[require]` contradicts it";
            condition_always(condition) = "`{condition}` is always true here: an earlier condition or `#[require]` implies it";
            dim_twice(name) = "duplicate size `{name}`";
            dim_hides_field(name) = "the size `{name}` hides the field `{name}` of the config: rename the size";
        }
        /// A name that means two things.
        Name: "name",
            help "rename one of the two; `#[weights(\"name\")]` gives a field another name in the checkpoint"
        {
            name_shared(field, name, other) = "`{field}` and `{other}` have one name in the checkpoint, \"{name}\"";
            name_twice(name, other) = "the method `{name}` has the same name as {other}";
            name_reserved(name, meaning) = "`{name}` is reserved for {meaning}";
            arguments_alike(name) = "duplicate argument name `{name}`";
        }
        /// The item the attribute stands on is not one it can define.
        Item: "item",
            help "put `#[mlx_model]` on a struct with named fields and on its inherent `impl` block"
        {
            not_a_model(what) = "expected a struct or an inherent `impl` block, found {what}";
            fields_without_names() = "expected a struct with named fields";
            impl_of_nothing(name, near) = "no struct `{name}` with `#[mlx_model]` in this file{near}";
            not_a_method() = "expected a method: put other items into a plain `impl` block";
        }
        /// A parameter has the wrong number of dims.
        ParamRank: "shape of a parameter" {
            dims_count(what, n, found) = "{what} takes {n} dim(s), found {found}";
        }
        /// A parameter's field has no shape.
        MissingParam: "parameter without a shape",
            help "give the parameter its shape, outputs first: `#[param(out, in)]`"
        {
            param_without_shape(field, kind) = "`{field}` is a `{kind}` without a shape";
        }
        /// A dim is not known here.
        UnknownDim: "unknown dim",
            help "a dim that begins with a capital must appear in the shape of an argument; any other is a field of the config"
        {
            free_dim_unbound(dim, near) = "no argument of this method has the dim `{dim}` on its own{near}";
            free_dim_of_struct(dim) = "a struct cannot have the free dim `{dim}`: expected a field of the config, which begins with a lower-case letter";
            config_dim_in_function(dim) = "a function has no config and no field `{dim}`: expected a free dim, which begins with a capital";
        }
        /// The config has no such field, or one of another type.
        ConfigField: "field of the config" {
            config_without_field(config, name, near) = "`{config}` has no field `{name}`{near}";
            config_type(want, name, ty) = "{want}, but `{name}` is `{ty}`";
        }
        /// A dim's expression is not a polynomial.
        DimExpr: "size",
            help "a dim is a name, a number, or a sum, product or exact quotient of these"
        {
            size_not_whole() = "expected a whole number as size";
            size_operator(op) = "unsupported operator `{op}` in a size";
            not_a_size() = "expected a size";
            size_too_large() = "size out of range: expected at most 2147483647";
            size_below_one(size) = "expected a size of 1 or more, found `{size}`";
            no_layers(size) = "expected one layer or more, found `{size}`";
            group_of_quantize(field, group, size) = "`{field}`: the group size {group} does not divide the last dim, `{size}`";
            rotated_of_rope(field, rotated, dims) = "`{field}`: expected an even number of rotated values, at most the head size `{dims}`, found `{rotated}`";
        }
        /// A quotient that may have a remainder.
        Quotient: "quotient",
            help "add the condition to the struct: `#[require(a % b == 0)]`; it is checked once, when the model is loaded"
        {
            not_divided(divisor, dividend) = "cannot prove that `{divisor}` divides `{dividend}`";
        }
        /// A function asks for a config.
        Function: "function",
            help "a function takes sizes as free dims and numbers as arguments, `cap: f32`"
        {
            config_in_function() = "a function has no config";
            condition_in_function() = "a function cannot branch on a config: branch where it is called";
            fn_on_other() = "`#[mlx_fn]` expects a free function";
            function_receiver() = "`#[mlx_fn]` expects a free function, found a method: put it into the model's `impl` block";
        }
        /// A method's signature is not understood.
        Signature: "signature",
            help "tensors are `x: Tensor![B, L, hidden]` or `tokens: Tensor![B, L; i32]`, numbers `cap: f32`, a cache is `cache: &mut KvCache` or `cache: &mut State![h: [B, hidden]]`"
        {
            no_receiver() = "expected `&self` as the first argument of a method";
            argument_pattern() = "expected a plain name as argument, or names for a tuple: `(a, b): (Tensor![..], Tensor![..])`";
            no_result() = "missing result: write `-> Tensor![..]`";
            mixed_dim(dim) = "expected a free dim alone, found `{dim}`: give the whole a name of its own, such as `N`";
            tuple_argument() = "expected a tensor, a number or the cache as argument, found a tuple: give its parts names, `(a, b): (..)`";
            state_form() = "expected states and caches as `State![h: [B, hidden], s: [B, n; f32], own: KvCache]`";
            two_caches() = "expected one cache at most";
            result_kind() = "expected a tensor or a tuple of tensors as result";
            async_or_generic() = "a method is neither async nor generic";
            unknown_type(ty) = "unknown type `{ty}`";
        }
        /// A parameter that nothing uses.
        UnusedParam: "unused parameter",
            help "use it in a method, or remove the field"
        {
            unused_field(what, name) = "{what} `{name}` is loaded but no method uses it";
        }
        /// Not a condition that the config decides.
        Condition: "condition",
            help "a condition compares fields of the config, numbers and `layer`: `config.qk_norm`, `(layer + 1) % config.pattern != 0`"
        {
            not_a_condition() = "expected a condition on fields of the config";
            condition_variable(name) = "`{name}` is unknown when the model is loaded: write `config.{name}` for a field of the config";
            condition_of_short_name(name, size) = "expected fields of the config, found the name `{name}` of `dims(..)`: write `{size}`";
            config_form() = "expected `#[config(field)]`, a config inside of this model's, or `#[config(width = 2 * width)]`, other values for the sub-model";
            choice_of_place() = "expected a field of the config beside this text or variant";
            condition_divisor() = "division by zero in a condition";
            condition_assigned(name) = "`{name} = ..` is an assignment: write `{name} == ..`";
            condition_field() = "expected a field of the config, because nothing else is known when the model is loaded";
        }
        /// An optional layer is used where it may be absent.
        Optional: "optional layer",
            help "declare `q_norm: Option<RmsNorm>` with `#[when(qk_norm)]`, and use it inside `if config.qk_norm { .. }`"
        {
            option_without_when(field) = "`{field}` is optional without a condition: write `#[when(flag)]`";
            when_without_option(field) = "`{field}` has a condition but is not optional: make its type `Option<..>`";
            optional_outside(field, when) = "`{field}` may be absent here: it exists only if `{when}`";
        }
        /// The names in a checkpoint are not understood.
        Weights: "names in a checkpoint",
            help "names are strings: `\"a.b\"`, alternatives `\"a\" | \"b\"`, joined rows `\"q\" + \"k\"`, `transposed(\"a\")`, from the root `\"/a\"`, in another scheme `gguf = \"c\"`"
        {
            holds_no_tensors(field, kind) = "`{field}` is a `{kind}` and holds no tensors";
            unknown_weights_word(word, near) = "`#[weights]`: unknown word `{word}`{near}";
            second_name() = "`#[weights]`: expected one name, found a second one: write alternatives as `\"a\" | \"b\"`";
            scheme_twice(scheme) = "`#[weights]`: duplicate scheme `{scheme}`";
            no_name() = "`#[weights]`: missing name";
            name_not_text() = "`#[weights]`: expected a string as name";
            not_a_name() = "`#[weights]`: expected the name of a tensor";
            broken_name(name) = "invalid name {name}: expected words with dots between them";
            joined_kind(field, kind) = "expected a `Linear` or `Param` for joined rows, found `{field}`, a `{kind}`";
            channels_kind(field, kind) = "expected a convolution for `channels_first`, found `{field}`, a `{kind}`";
            part_kind(field, kind) = "expected a `Linear` or `Param` for a part of rows, found `{field}`, a `{kind}`";
            part_form() = "`#[weights]`: expected `part(\"qkv\", 1, 3)`, the second of three equal parts";
            transposed_kind(field, kind) = "expected a matrix for `transposed`, found `{field}`, a `{kind}`";
            index_kind(field, kind) = "expected a `Param` or `SwitchLinear` for `{{}}`, the index of the first axis, found `{field}`, a `{kind}`";
            index_twice(name) = "invalid name {name}: expected `{{}}` once at most, and no other braces";
            index_in_a_word(name) = "invalid name {name}: expected `{{}}` between dots";
        }
        /// A `#[quantize]` that is not understood.
        Quantize: "quantisation",
            help "write `#[quantize(bits = 4, group_size = 64)]`, `#[quantize(mode = \"mxfp4\")]` or `#[quantize(never)]` on a `Linear`, `Embedding` or `SwitchLinear` with a weight of its own"
        {
            quantized_kind(field, kind) = "`#[quantize]` expects a `Linear`, `Embedding` or `SwitchLinear`, found `{field}`, a `{kind}`";
            quantized_tied(field) = "`{field}` is tied and has no weight of its own to quantise";
            quantize_form() = "`#[quantize]`: expected `bits`, `group_size`, `mode` or `never`";
            quantize_number(key, known) = "expected `{key}` to be one of {known}";
            quantize_mode() = "expected `mode` to be one of \"affine\", \"mxfp4\", \"mxfp8\", \"nvfp4\"";
            quantize_mode_numbers() = "expected no `bits` or `group_size`, because this mode has its own";
        }
        /// The digest of a checkpoint cannot be used.
        Digest: "digest",
            help "`llama_lora digest MODEL --out FILE` writes one; the name is relative to the crate's root, or to the source file if it begins with `./`"
        {
            digest_form() = "expected the name of a file after `digest =`";
            digest_of_generics() = "expected a model without type parameters for `digest`";
            digest_nowhere(file) = "cannot resolve the path `{file}` of the digest";
            digest_unreadable(file, why) = "cannot read the digest `{file}`: {why}";
            digest_line(file, line, text) = "line {line} of `{file}`: expected `config.name = value` or `name [sizes] dtype`, found `{text}`";
            digest_empty(file) = "`{file}` lists no tensors";
        }
        /// The checkpoint policy is not understood.
        Checkpoint: "checkpoint policy",
            help "write `checkpoint = auto`, `every(4)`, `always` or `never`"
        {
            unknown_policy() = "unknown checkpoint policy";
        }
    } };
}
