//! Chat templates: Jinja, as Hugging Face renders it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use minijinja::{
    context, syntax::SyntaxConfig, value::Serde, Environment, Error, ErrorKind, Value as Jinja,
};
use serde_json::Value;

/// A compiled chat template.
pub struct Template {
    env: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat_template";

impl Template {
    /// Compiles `source`; `bos` and `eos` are the texts of the tokens that the template may name.
    pub fn new(source: String, bos: String, eos: String) -> Result<Self> {
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?;
        env.set_syntax(syntax);
        env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        env.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        env.add_function("strftime_now", |format: String| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_secs());
            date(&format, now)
        });
        env.add_template_owned(NAME, source)
            .context("the model's chat template does not compile")?;
        Ok(Template { env, bos, eos })
    }

    /// The text of a conversation.
    pub fn render(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        answer: bool,
    ) -> Result<String> {
        let template = self.env.get_template(NAME)?;
        template
            .render(context! {
                messages => Jinja::from(Serde(messages)),
                tools => Jinja::from(Serde(tools)),
                add_generation_prompt => answer,
                bos_token => self.bos.as_str(),
                eos_token => self.eos.as_str(),
            })
            .context("the model's chat template refuses the conversation")
    }
}

/// `strftime` for what chat templates ask for: day, month and year, in UTC.
fn date(format: &str, seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    // Howard Hinnant's `civil_from_days`, for days after 1970.
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let doe = days % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let name = MONTHS[(month - 1) as usize];
    format
        .replace("%d", &format!("{day:02}"))
        .replace("%m", &format!("{month:02}"))
        .replace("%b", &name[..3])
        .replace("%B", name)
        .replace("%Y", &year.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(source: &str, messages: &[Value]) -> Result<String> {
        Template::new(source.into(), "<s>".into(), "</s>".into())?.render(messages, None, true)
    }

    #[test]
    fn python_methods_and_hugging_face_helpers_work() {
        let messages = [json!({"role": "user", "content": " Hi \n"})];
        let source = "{{ bos_token }}{% for m in messages %}\n  {%- if m['content'].strip().startswith('H') %}\n\
                      [{{ m.role.upper() }}] {{ m['content'] | trim }}{% endif %}\n{% endfor %}\n\
                      {% if add_generation_prompt %}>{% endif %}{% if tools is not none %}T{% endif %}";
        assert_eq!(render(source, &messages).unwrap(), "<s>[USER] Hi>");
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(render("{% for m in messages %}", &[]).is_err());
        let refused = render("{{ raise_exception('roles must alternate') }}", &[]).unwrap_err();
        assert!(format!("{refused:#}").contains("roles must alternate"));
    }

    #[test]
    fn dates() {
        assert_eq!(date("%d %b %Y", 0), "01 Jan 1970");
        assert_eq!(date("%d %B %Y", 1_709_164_800), "29 February 2024");
        assert_eq!(date("%Y-%m-%d", 1_735_603_200), "2024-12-31");
    }
}
