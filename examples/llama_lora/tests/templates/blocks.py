"""Templates that this program refuses, and templates of several lines. `dump.py` renders them with transformers."""

# Templates that Jinja renders and this program refuses, because the text holds an address, is random, needs numbers of more
# than 127 bits, or no template has asked for it. An error is the right answer here; other text is not.
REFUSED = r"""
{{ 'a b'.encode() }}
{{ 'abc'.upper }}
{{ {'a': 'x'} | attr('items') }}
{{ lipsum() | length > 0 }}
{{ lipsum(n=0) }}|
{% autoescape true %}{{ '<b>' }}{% endautoescape %}
{% block a %}x{% endblock a %}{{ self.a() }}
{{ 18446744073709551616 * 18446744073709551616 * 18446744073709551616 }}
{{ [1, 2, 3] | random in [1, 2, 3] }}
{{ ['x'] | map('upper') }}
{{ namespace }}
{{ range }}
{{ 'abc'.join }}
{{ {'items': 5}.items }}
{{ 12345678901234567890123456789012345678901234567890 }}
{{ 'a' is sameas 'a' }}
{{ {'a': 1}.keys() == {'a': 1}.keys() }}
{{ 'abc'['a':] }}
{{ none[1:] }}
{{ {'a': 1}[1:] }}
{{ '\N{BULLET}' }}
{{ joiner() }}
{{ messages[0].items }}
{{ 'a' | batch(0) | list }}
{% for i in range(3) %}{% for j in loop %}{{ j }}{% endfor %}|{{ i }}{% endfor %}
{{ range(3) | batch(-1) | list }}
{{ '{:010,d}'.format(1234) }}
{{ {'get': 5}.get }}
{{ 0.5.as_integer_ratio() }}
{{ 1.5.hex() }}
{{ messages is sameas messages }}
{{ 'a\nb' | indent('<' | safe) }}
{{ dict(**{'a' | safe: 1}) }}
{{ '&b &eacute;' | striptags }}
{{ {1: 'a', 'x': 'b', none: 3} | pprint }}
{{ [messages, messages] | pprint }}
{% set a = [1, 2] | map('string') %}{% set b = a | map('upper') %}{{ a | list }}{{ b | list }}
{% set a = [1, 2] | map('string') %}{% for i in a %}{% break %}{% endfor %}{{ a | list }}
{% set a = [1, 2] | map('string') %}{% for i in a %}{{ i }}{{ a | list }}{% endfor %}
{{ lipsum(1, false, 1, 2) is string }}
{{ [1, 2, 3][1.0:] }}
""".strip("\n").split("\n")

# Templates of more than one line.
BLOCKS = [
    "{% if true %}\na\n{% endif %}\nb\n",
    "  {% if true %}\n  a\n  {% endif %}\n  b\n",
    "{% for m in messages %}\n  {{ m.role }}\n{% endfor %}\nend\n\n",
    "a\n{# c #}\nb {# d #}\n c",
    "a\n  {#- c -#}\n  b",
    "x\n   {%- set a = 1 %}\n   {%- set b = 2 -%}\n   y {{- a -}}\n  z",
    "{%+ if true %}\n a {%+ endif %}\n b",
    "a\n\t{% set x = 1 %}\t\nb",
    "{% set x = 1 %}\r\n{% if x %}\r\nyes\r\n{% endif %}\r\nend\r\n",
    "a\r\nb\r\n{{ 'x\r\ny' }}\r\n",
    "a\rb\r{% if true %}\rc{% endif %}\r",
    "{{ 'a\nb' }}\n",
    "a\n\n",
    "a\n",
    "\n",
    "\n\na",
    "",
    "   ",
    "{% set x %}\n a\n b\n{% endset %}\n[{{ x }}]",
    "{% macro f(x) %}\n <{{ x }}>\n{% endmacro %}\n{{ f(1) }}\n{{ f(2) -}}\n\n end",
    "{% macro f(x) -%}\n <{{ x }}>\n{%- endmacro -%}\n{{ f(1) }}\n{{ f(2) -}}\n\n end",
    "{% for m in messages -%}\n{{ m.role }}\n{%- if not loop.last -%}\n,\n{%- endif -%}\n{% endfor %}\n",
    "{% for m in messages %}\n{% if m.role == 'assistant' %}\n{% generation %}\n{{ m.content }}\n{% endgeneration %}\n{% endif %}\n{% endfor %}\n",
    "  {%- generation %}\n  a\n  {%- endgeneration %}\n  b",
    "  {% generation %}\n  a\n  {% endgeneration %}\n  b",
    "{% raw %}\n{{ a }}\n{% endraw %}\nb",
    "{%- raw -%}\n  {{ a }}\n  {%- endraw -%}\n  b",
    "{{\n  'a'\n  ~ 'b'\n}}\n{%\n  if true\n%}c{%\nendif\n%}",
    "{% set x = {\n  'a': 1,\n  'b': [\n    2\n  ]\n} %}\n{{ x }}",
    "a {{ 'b' }}\n{{ 'c' }} d\n",
    "{{ 'a' }}\n\n{% if true %}\n\nb\n\n{% endif %}\n\nc",
    "text {% if true %}\n x\n{% endif %} y\n",
    "{% call(a) f() %}\n{{ a }}\n{% endcall %}\n{% macro f() %}x{% endmacro %}",
    "{% macro f() %}\n<{{ caller('q') }}>\n{% endmacro %}\n{% call(a) f() %}\n{{ a }}\n{% endcall %}\nend",
    "# line\n## comment\n% if\n",
    "{% filter indent(2) %}\na\nb\n{% endfilter %}\n",
    "{% autoescape false %}\n<a>\n{% endautoescape %}",
    "\ufeff{{ 1 }}",
    "a\u2028{{ 1 }}\u0085b",
    "a\x0b{% if true %}\x0c b{% endif %}",
    "{{ '''a''' }}",
    "{% for a in [1] %}{{ a }}{% endfor a %}",
    "{% if true %}x{% endif true %}",
    "{% set x = 1 -%} \n\n {{ x }}",
    "{{ 1 }} \n {#- a #} \n b {# c -#} \n d",
    "{#\n multi\n line {{ x }}\n#}\na",
    "{# unclosed",
    "a }} b %} c #} d { { e { % f",
    "{{ '}}' }} {{ \"%}\" }} {% if '%}' %}x{% endif %}",
    "{{ {'a': {'b': 1}}['a'] }}{{ {'a':{}} }}",
    "{%if true%}a{%else%}b{%endif%}",
    "{% if true %}{% endif %}\n{% if false %}\n{% endif %}\n",
]
