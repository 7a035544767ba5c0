//! Errors of bodies: statements, expressions, names, caches and results.
//!
//! Tests: `tests/errors.rs`; `mlx-tests --test ui`.

macro_rules! bodies {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*
        /// The statement is not part of the language.
        Statement: "statement",
            help "a body holds `let`, assignments, `for layer in self.layers { .. }`, `if config.flag { .. }` and a last expression"
        {
            unknown_statement(what, instead) = "{what} is no statement of the language: {instead}";
            result_dropped(method, want) = "`{method}` returns {want}, but its last expression ends with `;`: remove the `;`";
            value_unused() = "unused value: bind it with `let`";
            let_without_value() = "expected a value: write `let x = ..;`";
            assigned_expression() = "cannot assign to this expression: expected a variable";
            unknown_pattern() = "expected a name, `_`, or a tuple of these";
            block_without_value() = "expected a value at the end of the block";
            arm_value_unused() = "unused value of this arm: assign it, or bind the `if` with `let`";
        }
        /// A loop that is not over a stack of layers.
        Loop: "loop",
            help "a loop runs a stack of layers: `for layer in self.layers { h = layer(h, cache); }`, or `for (i, layer) in self.layers.iter().enumerate() { .. }`"
        {
            loop_member(name) = "`{name}` is not known inside of a loop, which runs its layer and operations: use it in the layer's own model, or bind its value before the loop";
            steps_form() = "expected `0..L`, the positions of a length";
            place_form() = "expected a number from 0, or the variable that counts this loop";
            place_of_others(count, found) = "this loop runs {count} times, but {found}";
            loop_without_layer(layer) = "this loop never calls `{layer}`";
            loop_changes(name, was, found) = "a loop gives `{name}` to the next layer as {was}, but {found}";
            loop_tuple(name) = "`{name}` is a tuple: a loop reads single tensors, so bind its parts before the loop";
            loop_layer_number() = "`layer` is the layer of this loop: count the layers with `enumerate`";
            push_form() = "expected `all.push(value)` of a variable that is bound with `let mut all = vec![];`";
            push_in_if() = "a loop pushes one value for each layer: push it outside of the `if`";
            list_of_others(want, found) = "the list holds {want}, but {found}";
            list_empty() = "this list is empty";
            loop_form() = "this loop is not part of the language";
            not_a_stack(field, kind) = "expected a stack of layers (`Vec<..>`), found `{field}`, a `{kind}`";
            cache_not_last() = "expected the cache as the last argument of the layer";
        }
        /// The expression is not part of the language.
        Expression: "expression",
            help "write operations of MLX (`x.reshape([..])`, `softmax(x, -1)`), calls of fields (`self.q_proj(x)`) and + - * /"
        {
            unknown_expression(what, instead) = "{what} is not part of the language: {instead}";
            unknown_operator(op, instead) = "`{op}` is not part of the language: write `{instead}`";
            not_a_variable(path) = "expected a variable, found the path `{path}`";
            not_a_callee() = "cannot call this expression: expected a function, an operation or `self.field`";
            number_alone() = "a number alone has no shape: use it in an operation with a tensor";
        }
        /// A field is used as what it is not.
        FieldUse: "use of a field",
            help "a `Param` is read as `self.name`, a layer or sub-model is called, `self.name(x)`, a stack is run, `for layer in self.name { .. }`"
        {
            not_a_param() = "expected `self.field` of a `Param`";
            layer_as_value(field, kind) = "cannot use `{field}` as a value: expected a `Param`, found a `{kind}`";
            not_callable(field, kind) = "cannot call `{field}`: expected a layer or a sub-model, found a `{kind}`";
            method_of_parameter(method) = "`{method}` is not known of a type parameter, of which only `forward` is called";
            not_a_field() = "expected a field, `self.name`";
            not_a_linear(field, kind) = "expected a `Linear`, found `{field}`, a `{kind}`";
        }
        /// No such variable.
        UnknownName: "unknown variable" {
            unknown_variable(name, near) = "unknown variable `{name}`{near}";
        }
        /// No such field.
        UnknownField: "unknown field" {
            tied_to_nothing(source, near) = "expected an Embedding or Linear of this struct with a weight of its own, found `{source}`{near}";
            array_element(field, last) = "`{field}` has elements 0 to {last}: expected one of these numbers";
            unknown_field(model, name, near) = "`{model}` has no field or method `{name}`{near}";
        }
        /// No such operation.
        UnknownOp: "unknown operation" {
            unknown_operation(name, near) = "unknown operation `{name}`{near}";
            foreign_call(name, of, theirs, ours) = "unknown operation `{name}`: {of}'s `{theirs}` is `{ours}` here";
            foreign_module(name, of, instead) = "`{name}` is a module of {of}, which bodies do not have: write `{instead}`";
            plain_function(name) = "`{name}` is a plain function: write `#[mlx_fn]` before it";
        }
        /// The value's shape is not the declared one.
        Declared: "declared shape" {
            declared_other(want, found) = "expected {want} as declared, but {found}";
            names_for_value(names, found) = "expected {names} values for {names} names, but {found}";
        }
        /// The body's value is not what the signature returns.
        Return: "result" {
            returns_other(method, want, found) = "`{method}` returns {want}, but {found}";
            body_without_value(method, want) = "`{method}` returns {want}, but the body ends without a value";
        }
        /// A cache that two layers would share.
        Cache: "cache",
            help "use a cache for one attention, one sub-model or one stack of layers of a method, and parts of it for others: `cache.own`, `cache.cross`"
        {
            positions_late(line) = "positions are counted after `cache.update` (line {line}) has moved the end of the cache: rotate queries and keys before it";
            never_updated(name) = "`{name}` is never updated in this method, so positions would start at 0 in each call: call `{name}.update(k, v)`, or write `KvCache::off()`";
            cache_shared(line) = "the cache is used twice in this method, first in line {line}";
        }
        /// A state that is not carried.
        State: "state",
            help "`cache: &mut State![h: [B, hidden]]` declares a state; `cache.h` is its value after the tokens before, and `cache.h = h;` sets the value for those that follow"
        {
            unknown_state(cache, name, near) = "`{cache}` has no state `{name}`{near}";
            state_changes(name, want, found) = "expected {want} for `{name}`, but {found}";
            state_in_loop(name) = "a state is not known inside of a loop: write `let mut {name} = ..` before it, and set the state after it";
            state_never_read(name) = "nothing reads the state `{name}`";
            state_never_set(name) = "nothing sets the state `{name}`, so that it is always zero";
        }
        /// The two arms of an `if` differ.
        Arms: "arms of an `if`",
            help "give both arms values of the same shapes and dtypes; without `else` the value stays as it was"
        {
            arms_differ(then, otherwise) = "the arms of the `if` differ: {then}, {otherwise}";
            arms_count(then, otherwise) = "expected equally many values in both arms, found {then} and {otherwise}";
            if_without_else() = "expected an `else`, because the `if` has a value";
            arm_without_value() = "expected a value at the end of the arm";
        }
        /// Something without an effect.
        NoEffect: "no effect",
            help "use it, remove it, or begin its name with `_`"
        {
            never_read(what, name) = "{what} `{name}` is never read";
            assigned_never_read(name) = "the value assigned to `{name}` is never read";
            overwritten(name) = "the value of `{name}` is overwritten before it is read";
            size_never_used(name) = "the size `{name}` of `dims(..)` is never used";
        }
        /// An `if` without effect.
        NoChoice: "`if` without effect",
            help "remove the `if`, or assign in one arm what the other does not"
        {
            if_without_effect() = "this `if` has no effect: it assigns no variable and updates no cache";
            arms_equal() = "both arms of the `if` are equal";
        }
        /// `mut` is missing, or is not needed.
        Mutable: "mut",
            help "write `let mut h = ..;` for a variable that is assigned, and `let h = ..;` for any other"
        {
            not_mutable(name) = "cannot assign to `{name}`, which is not `mut`";
            never_assigned(name) = "`{name}` is `mut` but never assigned";
        }
        /// A model or method that contains or calls itself.
        Endless: "infinite recursion",
            help "the language has no base case to end a recursion: call another method, or contain another model"
        {
            calls_itself(method, through) = "infinite recursion: `{method}` calls itself{through}";
            holds_itself(model) = "infinite recursion: `{model}` contains itself";
        }
    } };
}
