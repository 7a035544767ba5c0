//! Keeps quiet about calls that do not fit a signature which a mistake of its own body puts in doubt.
//!
//! Tests: `tests/one_message`.

use crate::diag::{Code, Diag};
use crate::syntax::signature::{Method, Ty};

/// Signatures that a mistake of the body names are in doubt: nothing is said of calls that do not fit them.
pub(super) fn doubt(methods: &mut [Method], errors: &mut Vec<Diag>) {
    let mut unsure = Vec::new();
    for m in methods {
        let lines = m.lines();
        for a in &mut m.args {
            let (name, method) = (&a.name, &m.name);
            let read = [format!("`{name}` is ["), format!("`{name}` [")];
            let named = |e: &Diag| read.iter().any(|r| e.message.contains(r));
            // A call of it names the caller's variables, too.
            let own = |e: &Diag| lines.contains(&e.span.start().line);
            if errors
                .iter()
                .any(|e| e.code != Code::Arguments && own(e) && named(e))
            {
                a.ty = doubtful(&a.ty);
                unsure.push(format!("`{name}` of `{method}` expects "));
            }
        }
        let result = format!("`{}` returns ", m.name);
        if errors
            .iter()
            .any(|e| e.code == Code::Return && e.message.starts_with(&result))
        {
            m.ret = doubtful(&m.ret);
        }
    }
    errors.retain(|e| !unsure.iter().any(|u| e.message.starts_with(u)));
}

/// The type without its shape.
fn doubtful(ty: &Ty) -> Ty {
    match ty {
        Ty::Tensor(..) => Ty::Unknown,
        Ty::Tuple(all) => Ty::Tuple(all.iter().map(doubtful).collect()),
        other => other.clone(),
    }
}
