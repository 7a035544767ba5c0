"""Small templates about Python's semantics: scopes, iterators, numbers, formats and comparisons. `dump.py` renders them with transformers."""

SEMANTICS = r"""
{% set ns = namespace(a=1, b=[1]) %}{% set ns.a = ns.a + 1 %}{% set ns.c = 'x' %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.d is defined }}{{ ns }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns['b'] }}{{ ns.a is number }} {{ ns is mapping }} {{ ns is iterable }} {{ ns is sequence }} {{ ns is callable }}
{% set ns = namespace() %}{% set ns.x, ns.y = 1, 2 %}{{ ns.x }}{{ ns.y }}
{% set ns = namespace() %}{% for i in range(3) %}{% set ns.last = i %}{% endfor %}{{ ns.last }} {% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }}
{% set ns = namespace(a=1) %}{% set ns['a'] = 2 %}
{% set d = {} %}{% set d.a = 1 %}
{{ namespace(1) }}
{{ namespace([('a', 1)]).a }} {{ namespace(**{'b': 2}).b }}
{% set ns = namespace(x=0) %}{% for i in [1, 2, 3] %}{% if i == 2 %}{% continue %}{% endif %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% for i in range(10) %}{% if i is odd %}{% continue %}{% endif %}{% if i > 6 %}{% break %}{% endif %}{{ i }}{% else %}none{% endfor %}
{% for i in range(3) %}{% for j in range(3) %}{% if j > i %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% for i in range(3) %}{% set x %}{% if i == 1 %}{% continue %}{% endif %}a{% endset %}{{ x }}{{ i }}{% endfor %}
{% for i in range(3) %}{% filter upper %}a{% if i == 1 %}{% break %}{% endif %}b{% endfilter %}{% endfor %}
{% for i in range(3) %}{% with x = i %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endwith %}{% endfor %}
{% for i in [] %}{% else %}{% for j in [1] %}{{ j }}{% endfor %}{% endfor %}
{% for i in range(3) %}{{ loop.index }}/{{ loop.length }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.previtem }} {{ loop.nextitem }} {{ loop.depth }} {{ loop.depth0 }};{% endfor %}
{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}{% for i in [1, 2] %}{{ loop.changed(i, 'x') }} {{ loop.changed() }} {% endfor %}
{% for i in [1, 2, 3, 4] %}{{ loop.cycle('a', 'b', 'c') }}{% endfor %} {% for i in [1, 2, 3] %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.previtem | default('-') }}{% endfor %}
{% for a in [[1, [2, []]], [3, []]] recursive %}{{ a[0] if a is not number else a }}:{{ loop.depth }}{% if a[1] %}({{ loop(a[1]) if a[1][0] is iterable else a[1][0] }}){% endif %}{% endfor %}
{% for n in [{'v': 1, 'c': [{'v': 2}, {'v': 3, 'c': [{'v': 4}]}]}] recursive %}{{ n.v }}@{{ loop.depth0 }}.{{ loop.index }}/{{ loop.length }}[{{ loop(n.c) if n.c else '' }}]{% endfor %}
{% for i in [1, 2] recursive %}{{ loop([]) }}{{ i }}{% else %}empty{% endfor %}
{% for i in range(5) if i is odd %}{{ loop.index }}:{{ i }} {% else %}none{% endfor %}{% for i in range(5) if i > 9 %}{{ i }}{% else %}none{% endfor %}
{% for k, v in {'a': 1, 'b': 2}.items() if v > 1 %}{{ k }}{{ v }}{{ loop.last }}{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}{% for (a, b) in [[1, 2]] %}{{ a }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in ['xy', 'zw'] %}{{ a }}-{{ b }} {% endfor %}{% for a, b in {'ab': 1} %}{{ a }}{{ b }}{% endfor %}
{% for x in [1, 2] %}{% set y = x %}{% endfor %}{{ y is defined }} {{ x is defined }} {{ loop is defined }}
{% set x = 1 %}{% for i in [1] %}{{ x }}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 3 %}{% endif %}{{ x }}{% with %}{% set x = 4 %}{{ x }}{% endwith %}{{ x }}
{% for loop in [1] %}{{ loop }}{% endfor %}
{% for i in range(2) %}{% for j in range(2) %}{{ loop.index }}{% endfor %}{{ loop.index }}{% set outer = loop %}{% for j in 'ab' %}{{ outer.index }}{{ loop.index }}{% endfor %};{% endfor %}
{% for i in loop %}x{% endfor %}
{% for i in [3, 1, 2] | sort %}{{ i }}{{ loop }}{% endfor %}
{% set it = [1, 2, 3] | map('string') %}{{ it | first }}{{ it | list }}{{ it | list }}
{% for i in [1, 2, 3] | map('string') %}{{ loop.index }}{{ loop.last }}{{ i }}{% endfor %}{% for i in [1, 2, 3] | select('odd') %}{{ loop.revindex }}{% endfor %}
{% macro f(a, b='B', c=none) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1) }} {{ f(1, 2, 3, 4, 5) }} {{ f(1, x=2, y=3) }} {{ f(c=3, a=1) }} {{ f() }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, b=2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}
{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 2) }}
{% macro f(a, b=a ~ '!') %}{{ b }}{% endmacro %}{{ f('x') }} {{ f.name }} {{ f.arguments }} {{ f.catch_kwargs }} {{ f.catch_varargs }} {{ f.caller }}
{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }} {% call f() %}x{% endcall %}
{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}
{% macro f(x) %}[{{ caller(x, x + 1) }}]{% endmacro %}{% call(a, b=5) f(1) %}{{ a }}{{ b }}{% endcall %}{% call(a, b=5, c=7) f(1) %}{{ a }}{{ b }}{{ c }}{% endcall %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{{ f() }}{% macro f() %}x{% endmacro %}
{% macro f() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}{% set x = 2 %}{{ f() }}
{% macro f() %}{% set x = 5 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}{{ x }}
{% macro f(x) %}{{ x }}{% endmacro %}{% set x = 1 %}{{ f() }}|{{ f(2) }}{{ x }}
{% macro f(a, b) %}{{ a }}{{ b is defined }}{% endmacro %}{{ f(1) }}{{ f(*[1, 2]) }}{{ f(**{'b': 1, 'a': 0}) }}{{ f(1, *[2]) }}
{% macro f() %}{{ kwargs.items() | list }}{{ varargs | length }}{% endmacro %}{{ f(1, 2, a=3) }}
{% macro f(x=[]) %}{{ x }}{% endmacro %}{{ f() }}{{ f([1]) }} {% macro g(a, b=1, c) %}{% endmacro %}
{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}
{% set f = namespace(g=1) %}{% macro m() %}{% set f.g = f.g + 1 %}{% endmacro %}{{ m() }}{{ m() }}{{ f.g }}
{% if true %}{% macro f() %}x{% endmacro %}{% endif %}{{ f() }}
{% for i in [1, 2] %}{% macro f() %}{{ i }}{% endmacro %}{{ f() }}{% endfor %}{{ f is defined }}
{% set x %}  a {{ 1 + 1 }} {% endset %}[{{ x }}] {{ x is string }} {% set y | upper | trim %} ab {% endset %}[{{ y }}]
{% set x %}{% for i in 'ab' %}{{ i }}{{ loop.index }}{% endfor %}{% endset %}{{ x }}{{ x | length }}
{% filter upper | replace('A', 'x') %}abc{{ 'def' }}{% endfilter %}{% filter indent(2) %}a
{% filter trim %}  {% set z = 1 %}{{ z }} {% endfilter %}{{ z is defined }}
{% filter length %}abc{% endfilter %}
{% filter list %}abc{% endfilter %}
{% with a = 1, b = a %}{{ a }}{{ b is defined }}{% endwith %}{% with a = 1 %}{% with b = a + 1 %}{{ a }}{{ b }}{% endwith %}{{ b is defined }}{% endwith %}
{{ 'abcdef'[::-2] }} {{ 'abcdef'[4:1:-1] }} {{ 'abcdef'[-1:-4:-1] }} {{ 'abcdef'[10::-1] }} {{ [1, 2, 3, 4, 5][3:0:-2] }} {{ (1, 2, 3)[::-1] }} {{ range(10)[::-3] | list }} {{ range(10)[2:8:2] }} {{ 'abc'[-10:2] }} {{ [1, 2, 3][:-10:-1] }} {{ 'abc'[2:1] }}
{{ range(5, 0, -2)[1:] | list }} {{ range(10)[-3:] | list }} {{ range(3)[5:] }} {{ range(0)[::-1] | list }} {{ range(5)[3] }} {{ range(5)[-1] }} {{ range(1, 10, 3)[1:][0] }} {{ range(10)[::-1] }} {{ range(7)[1:6:2] }}
{{ 'abc'[true] }} {{ [1, 2][false] }} {{ [1, 2][1.0] is defined }} {{ 'abc'['x'] is defined }} {{ [1, 2]['0'] is defined }} {{ (1, 2)[-2] }} {{ {1: 'a'}[true] }} {{ {'1': 'a'}[1] is defined }}
{{ 'abc'[::0] }}
{{ 7 // -2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 // 2 }} {{ 7.5 // -2 }} {{ -7.5 % 2 }} {{ 1e308 * 10 }} {{ -1e308 * 10 }} {{ 5 % 2.5 }} {{ -0.0 + 0 }} {{ 0.0 == -0.0 }} {{ 2 ** 0.5 }} {{ 4 ** -1 }} {{ (-2) ** 3 }} {{ (-8) ** 2.0 }}
{{ 9007199254740993 + 0.0 }} {{ 9007199254740993 * 1 }} {{ 9223372036854775807 + 1 }} {{ 10 ** 20 }} {{ 10 ** 20 // 3 }} {{ -(10 ** 20) % 7 }} {{ 10 ** 30 / 10 ** 29 }} {{ 2 ** 100 / 3 }} {{ (2 ** 100) | string | length }} {{ 123456789012345678901234567890 }}
{{ 9007199254740993 == 9007199254740992.0 }} {{ 9007199254740993 > 9007199254740992.0 }} {{ 2 ** 53 + 1 == 2.0 ** 53 }} {{ 10 ** 20 == 1e20 }} {{ 10 ** 23 == 1e23 }} {{ 10 ** 23 < 1e23 }} {{ [9007199254740993] == [9007199254740992.0] }} {{ 9007199254740993 in [9007199254740992.0] }}
{{ 9007199254740993 / 1 }} {{ 12345678901234567 / 3 }} {{ 36028797018963969 / 2 }} {{ 18014398509481985 / 36028797018963970 }} {{ 100000000000000000001 / 100000000000000000000 }} {{ 1 / 3 * 3 }} {{ 2 ** 70 / 2 ** 10 }}
{{ 1e16 }} {{ 1e15 + 0.5 }} {{ 123456789.0 }} {{ 1.0e-4 }} {{ 0.00001 }} {{ 1e100 }} {{ 1.1 + 2.2 }} {{ 3.0 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 1e+5 }} {{ 1E5 }}
{{ 'inf' | float }} {{ 'nan' | float }} {{ '-inf' | float }} {{ 'Infinity' | float }} {{ ' 1.5 ' | float }} {{ '1e5' | float }} {{ '1_0.5' | float }} {{ '.5' | float }} {{ '5.' | float }} {{ 'x' | float(2) }} {{ none | float }} {{ true | float }} {{ '0x10' | float }} {{ '' | float }} {{ [] | float }}
{{ '12' | int }} {{ ' 12 ' | int }} {{ '1.9' | int }} {{ '-3' | int }} {{ '+3' | int }} {{ '0x1f' | int(base=16) }} {{ '1f' | int(0, 16) }} {{ '0b11' | int(0, 0) }} {{ '11' | int(base=2) }} {{ 'x' | int(7) }} {{ 1.9 | int }} {{ -1.9 | int }} {{ true | int }} {{ none | int }} {{ [] | int }} {{ '٣' | int }} {{ '1_0' | int }} {{ '' | int(3) }} {{ '1e2' | int }} {{ 'inf' | int(5) }} {{ '12' | int(base=1) }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 1234.5 | round(-2) }} {{ 2.4 | round(method='ceil') }} {{ 2.6 | round(0, 'floor') }} {{ -2.5 | round }} {{ 42 | round }} {{ 42.55 | round(1, 'floor') }} {{ 1.005 | round(2) }} {{ 5 | round(1, 'ceil') }} {{ 15 | round(-1) }} {{ 25 | round(-1) }} {{ -0.4 | round }} {{ 1e300 | round(2) }} {{ 0.5 | round }} {{ 123.456 | round(2, 'ceil') }} {{ true | round }}
{{ 1234.5678 | round(-1) }} {{ 1250.0 | round(-2) }} {{ 1350.0 | round(-2) }} {{ 155.0 | round(-1) }} {{ 1e22 | round(-22) }} {{ 45.0 | round(-1) }} {{ 5e15 | round(-15) }} {{ 0.15 | round(1) }} {{ 0.25 | round(1) }} {{ 0.35 | round(1) }} {{ 5.015 | round(2) }}
{{ '3' * 3 }} {{ 3 * '3' }} {{ 'a' * 0 }}|{{ 'a' * -1 }}|{{ [1] * 2 }} {{ 2 * [1, 2] }} {{ (1,) * 2 }} {{ 'ab' * true }} {{ [] * 5 }}
{{ 'a' * 1.5 }}
{{ 'a' * 'b' }}
{{ {} + {} }}
{{ [1] + (2,) }}
{{ 'a' - 'b' }}
{{ 1 + '1' }}
{{ none + none }}
{{ 1 == '1' }} {{ 1 == true }} {{ 0 == false }} {{ none == 0 }} {{ [] == () }} {{ (1, 2) == (1, 2) }} {{ {} == {} }} {{ {'a': 1} == {'a': 1.0} }} {{ 'a' != 1 }} {{ [1, [2]] == [1.0, [2.0]] }} {{ 'nan' | float == 'nan' | float }} {{ range(3) == range(0, 3) }} {{ range(0) == range(1, 1) }} {{ '' == none }}
{{ 1 < 1.5 }} {{ 'a' < 'B' }} {{ 'é' > 'z' }} {{ [1] < [1, 0] }} {{ (1, 'a') < (1, 'b') }} {{ true < 2 }} {{ false < true }} {{ [] < [0] }} {{ 'Z' < 'a' < 'b' }} {{ 3 > 2 > 1 }} {{ 3 > 2 == true }} {{ 1 < 2 != 3 }} {{ 'nan' | float < 1 }} {{ 'ab' < 'abc' }} {{ '𐀀' > '\uffff' }}
{{ [1] < ['a'] }}
{{ none < none }}
{{ {} < {} }}
{{ (1,) < [1] }}
{{ 1 < '2' }}
{{ [1, 'a'] < [2, 3] }} {{ [none] == [none] }} {{ [none, 1] < [none, 2] }}
{{ 1 is integer }} {{ 1.0 is float }} {{ true is integer }} {{ true is number }} {{ '1' is number }} {{ none is none }} {{ [] is sequence }} {{ 'a' is sequence }} {{ {} is sequence }} {{ range(3) is sequence }} {{ {}.items() is sequence }} {{ (1,) is sequence }} {{ 5 is sequence }} {{ none is sequence }} {{ nothing is sequence }} {{ nothing is iterable }} {{ nothing is string }} {{ nothing is mapping }} {{ nothing is number }}
{{ [] is iterable }} {{ 'a' is iterable }} {{ 5 is iterable }} {{ ([1] | map('string')) is iterable }} {{ ([1] | map('string')) is sequence }} {{ range is callable }} {{ namespace is callable }} {{ cycler is callable }} {{ dict is callable }} {{ 'a'.upper is callable }} {{ cycler(1) is callable }} {{ joiner() is callable }} {{ nothing is callable }}
{{ 4 is even }} {{ 3 is odd }} {{ 4.0 is even }} {{ -3 is odd }} {{ 10 is divisibleby 5 }} {{ 10 is divisibleby(3) }} {{ true is odd }} {{ 2.5 is even }} {{ 7.5 is divisibleby 2.5 }} {{ 'A' is upper }} {{ 'a1' is lower }} {{ '1' is upper }} {{ 5 is lower }} {{ none is upper }} {{ 'É' is upper }} {{ 'ß' is lower }} {{ 'ǅ' is upper }} {{ 'ª' is lower }} {{ 'ⅷ' is lower }} {{ 'Ⅷ' is upper }}
{{ 1 is eq 1.0 }} {{ 1 is ne 2 }} {{ 'a' is in 'abc' }} {{ 1 is in [1] }} {{ 'a' is in {'a': 1} }} {{ 1 is gt 0 }} {{ 1 is lessthan 2 }} {{ 1 is greaterthan(0) }} {{ 1 is equalto 1 }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }} {{ true is boolean }} {{ 1 is boolean }} {{ 'x' is not in ['y'] }} {{ not 1 is eq 2 }} {{ 1 is not eq 1 }}
{{ [3, 1, 2] | sort }} {{ [3, 1, 2] | sort(true) }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [(2, 'a'), (1, 'b')] | sort }} {{ [{'a': 2, 'b': 1}, {'a': 1, 'b': 2}] | sort(attribute='b') | map(attribute='a') | list }} {{ [{'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b') }} {{ 'hello' | sort | join }} {{ {'b': 1, 'a': 2} | sort }} {{ [true, 0, 2] | sort }} {{ [1.5, 1] | sort(reverse=true) }}
{{ [1, 'a'] | sort }}
{{ [none, 1] | sort }}
{{ [{'a': 1}, {}] | sort(attribute='a') }}
{{ [{'a': {'b': 2}}, {'a': {'b': 1}}] | sort(attribute='a.b') }} {{ [[2, 1], [1, 2]] | sort(attribute=1) }} {{ [[2, 1], [1, 2]] | sort(attribute='0') }} {{ ['aB', 'Ab', 'AB', 'ab'] | sort }} {{ ['aB', 'Ab', 'AB', 'ab'] | sort(reverse=true) }} {{ ['ß', 'ss', 'É', 'e'] | sort }}
{% for g in [{'c': 'x', 'n': 1}, {'c': 'y', 'n': 2}, {'c': 'x', 'n': 3}] | groupby('c') %}{{ g.grouper }}={{ g.list | map(attribute='n') | join('+') }} {{ g[0] }} {{ g | length }};{% endfor %}{% for k, l in [{'c': 'B'}, {'c': 'a'}, {'c': 'b'}] | groupby('c') %}{{ k }}{{ l | length }}{% endfor %}
{{ [{'c': 'B'}, {'c': 'b'}, {}] | groupby('c', default='z') }} {{ [{'c': 'B'}, {'c': 'b'}] | groupby('c', case_sensitive=true) | list }} {{ [[1, 2], [1, 3]] | groupby(0) }} {{ [{'a': {'b': 1}}] | groupby('a.b') }} {{ ['ab', 'ac', 'b'] | groupby(0) | map(attribute='list') | list }}
{{ [{'c': 1}, {}] | groupby('c') }}
{{ {'b': 1, 'A': 2, 'c': 0} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'b': 1, 'a': 2} | dictsort(false, 'value', true) }} {{ {2: 'x', 1: 'y'} | dictsort(reverse=true) }} {{ {} | dictsort }} {{ {'a': 'B', 'b': 'a'} | dictsort(by='value') }}
{{ {'a': 1} | dictsort(by='x') }}
{{ {'a': 1, 2: 3} | dictsort }}
{{ [1, 2] | dictsort }}
{{ [1, 1.0, true, 2, '1'] | unique | list }} {{ ['a', 'A', 'b'] | unique | list }} {{ ['a', 'A'] | unique(true) | list }} {{ [{'a': 1}, {'a': 1}] | unique(attribute='a') | list }} {{ 'hello' | unique | join }} {{ [(1, 2), (1, 2)] | unique | list }} {{ [none, none] | unique | list }}
{{ [[1], [1]] | unique | list }}
{{ range(7) | batch(3) | list }} {{ range(7) | batch(3, 'x') | list }} {{ [] | batch(2, 0) | list }} {{ 'abcde' | batch(2) | list }} {{ range(6) | batch(3, 'x') | list }} {{ range(2) | batch(linecount=5, fill_with=none) | list }}
{{ range(7) | slice(3) | list }} {{ range(7) | slice(3, 'x') | list }} {{ range(3) | slice(5) | list }} {{ range(3) | slice(5, 'x') | list }} {{ [] | slice(2) | list }} {{ [] | slice(2, 'y') | list }} {{ 'abcd' | slice(2, 'z') | list }} {{ range(6) | slice(slices=3, fill_with='x') | list }}
{{ [1, 2] | slice(0) | list }}
{{ ['a', 'b'] | map('upper') | list }} {{ [1.234, 2.345] | map('round', 1) | list }} {{ [{'a': 1}, {}] | map(attribute='a', default=0) | list }} {{ ['1', 'x'] | map('int', default=9) | list }} {{ [[3, 1], [2]] | map('sort') | list }} {{ ['a'] | map('replace', 'a', 'b') | list }} {{ ['x'] | map('default', 'd') | list }} {{ [{'a': [5]}] | map(attribute='a.0') | list }} {{ [1, 2] | map('string') | join }} {{ 'ab' | map('upper') | list }} {{ {'a': 1} | map('upper') | list }}
{{ [1] | map | list }}
{{ [1] | map('nope') | list }}
{{ [{'a': 1}, {}] | map(attribute='a') | list }}
{{ [{}] | map(attribute='a.b') | list }}
{{ [1, 2, 3] | select | list }} {{ [0, 1, '', 'x'] | select | list }} {{ [1, 2, 3] | select('gt', 1) | list }} {{ [1, 2, 3] | reject('odd') | list }} {{ [0, 1, none] | reject | list }} {{ ['a', 1] | select('string') | list }} {{ [1, 2] | select('in', [2]) | list }} {{ [1, 5] | select('>', 2) | list }} {{ [2, 3, 4] | select('divisibleby', 2) | list }} {{ [1, 2] | select('==', 2) | list }}
{{ [{'a': 1}, {'a': 0}, {}] | selectattr('a') | list }} {{ [{'a': 1}, {'a': 2}] | selectattr('a', 'gt', 1) | list }} {{ [{'a': 1}, {}] | selectattr('a', 'defined') | list }} {{ [{'a': 1}, {}] | rejectattr('a') | list }} {{ [{'a': 'x'}] | rejectattr('a', 'equalto', 'x') | list }} {{ [{'a': {'b': 1}}, {'a': {'b': 0}}] | selectattr('a.b') | list }} {{ messages | selectattr('role', 'in', ['user']) | map(attribute='role') | list }} {{ [[0, 1], [1, 0]] | selectattr(1) | list }}
{{ [1] | selectattr | list }}
{{ [1] | select('nope') | list }}
{{ [1, 'a'] | select('gt', 0) | list }}
{{ [1, 2, 3] | sum }} {{ [] | sum }} {{ [1.5, 2] | sum }} {{ [{'a': 1}, {'a': 2}] | sum(attribute='a') }} {{ [[1], [2]] | sum(start=[]) }} {{ [1, 2] | sum(start=10) }} {{ [true, true] | sum }} {{ [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1] | sum }} {{ [1e16, 1.0, -1e16] | sum }} {{ [0.1, 0.2, 0.3] | sum }} {{ [1e100, 1, -1e100] | sum }} {{ [1, 0.1, 0.2, 0.3, 0.4] | sum }}
{{ ['a', 'b'] | sum }}
{{ [1, 2, 3] | min }} {{ ['b', 'A'] | min }} {{ ['b', 'A'] | max }} {{ ['b', 'A'] | min(true) }} {{ [{'a': 2}, {'a': 1}] | min(attribute='a') }} {{ [] | max }}| {{ [1, 1.0, true] | min }} {{ [1, true, 1.0] | max }} {{ 'hello' | max }} {{ {'b': 1, 'a': 2} | min }} {{ [3, 'nan' | float, 1] | min }} {{ ['nan' | float, 1] | max }}
{{ 'Hello World'.swapcase() }} {{ 'straße'.upper() }} {{ 'ǆ'.title() }} {{ 'İ'.lower() | length }} {{ 'ΑΣ'.lower() }} {{ 'ﬁ'.upper() }} {{ 'ŉ'.upper() }} {{ "they're bill's".title() }} {{ 'x1y z'.title() }} {{ 'ÀB'.casefold() }} {{ 'ẞ'.lower() }} {{ 'ß'.casefold() }} {{ 'ﬀ'.casefold() }} {{ 'ΐ'.upper() }} {{ 'ǰ'.upper() }} {{ 'ͅ'.upper() }}
{{ 'ﬃ'.casefold() }} {{ 'ŉ'.casefold() }} {{ 'Ꭰ'.casefold() }} {{ 'ꭰ'.casefold() }} {{ 'ẞ'.casefold() }} {{ 'ſ'.casefold() }} {{ 'µ'.casefold() }} {{ 'İ'.casefold() }} {{ 'ᾳ'.casefold() }} {{ 'ΰ'.casefold() }} {{ 'ϐ'.casefold() }} {{ 'K'.casefold() }} {{ 'ς'.casefold() }}
{{ 'é'.isalpha() }} {{ '½'.isnumeric() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '٣'.isdecimal() }} {{ '世界'.isalpha() }} {{ '五'.isnumeric() }} {{ '五'.isdigit() }} {{ 'a_b'.isidentifier() }} {{ '1a'.isidentifier() }} {{ 'a b'.isalnum() }} {{ ''.isalpha() }} {{ ''.isascii() }} {{ ' \t\n'.isspace() }} {{ '\u200b'.isspace() }} {{ '\xa0'.isspace() }} {{ 'Hello World'.istitle() }} {{ 'HELLO'.istitle() }} {{ 'aB'.islower() }} {{ '\n'.isprintable() }} {{ 'é'.isprintable() }} {{ ''.isprintable() }} {{ 'Ⅷ'.isnumeric() }} {{ '〇'.isnumeric() }} {{ '〇'.isalpha() }} {{ '參'.isnumeric() }} {{ '兩'.isnumeric() }} {{ '①'.isdigit() }} {{ '፩'.isdigit() }} {{ '᧚'.isdigit() }} {{ '𐩀'.isdigit() }} {{ '🄀'.isdigit() }} {{ 'ª'.isalpha() }} {{ 'ˠ'.islower() }} {{ 'ͅ'.isalpha() }}
{{ 'é' == 'é' }} {{ 'e\u0301' | length }} {{ '👍🏽' | length }} {{ '👍🏽'[0] }} {{ 'añb'.find('b') }} {{ 'añb'.center(7, 'é') }} {{ 'ab'.ljust(4, '世') }} {{ '世界' | reverse }} {{ 'é' | urlencode }} {{ '世 a/b?&=' | urlencode }} {{ {'é': '世 x'} | urlencode }} {{ [('a', 1), ('b', '/')] | urlencode }} {{ 'é' | tojson }} {{ 'é' | tojson(ensure_ascii=true) }} {{ '👍' | tojson(true) }} {{ '\u2028' | tojson }} {{ '\x7f' | tojson }}
{{ 'a,b,,c'.split(',') }} {{ 'a b  c'.split(' ') }} {{ ' a b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'abc'.split('x') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a\u2003b'.split() }} {{ 'a--b--c'.split('--', maxsplit=1) }} {{ 'a b c'.split(none, 1) }} {{ 'a b c '.rsplit(none, 1) }} {{ 'a\x1cb'.split() }} {{ 'a\x1cb\x0bc\x85d\u2028e'.splitlines() }} {{ 'a\r\nb\n'.splitlines(true) }} {{ 'a\n\n'.splitlines() }}
{{ 'abc'.split('') }}
{{ 'aXbX'.replace('X', '', 1) }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ 'abc'.count('') }} {{ ''.count('') }} {{ 'aaaa'.count('aa') }} {{ 'abcabc'.find('c', 3) }} {{ 'abcabc'.rfind('a', 0, 3) }} {{ 'abc'.find('') }} {{ 'abc'.find('', 5) }} {{ 'abc'.find('', 3) }} {{ 'abc'.rfind('') }} {{ 'abc'.startswith('') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('c', -1) }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith('b', 0, 2) }} {{ ''.startswith('') }} {{ 'abc'.startswith('', 4) }} {{ 'abc'.count('b', 1, 2) }} {{ 'abc'.count('', 1) }} {{ 'éa'.find('a') }} {{ ''.replace('', 'x') }} {{ ''.replace('', 'x', 0) }} {{ 'a' | replace('', '-') }}
{{ 'abc'.index('z') }}
{{ 'a-b_c'.partition('-') }} {{ 'abc'.partition('x') }} {{ 'a.b.c'.rpartition('.') }} {{ 'abc'.removeprefix('ab') }} {{ 'abc'.removesuffix('bc') }} {{ 'xxabcxx'.strip('x') }} {{ 'abcba'.lstrip('ab') }} {{ '  a '.rstrip() }}| {{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} {{ '+4'.zfill(5) }} {{ 'abc'.zfill(2) }} {{ '--4'.zfill(5) }} {{ ''.zfill(2) }} {{ 'a\tb'.expandtabs(4) }} {{ '\ta'.expandtabs() }} {{ 'x'.join('abc') }} {{ ', '.join(['a', 'b']) }} {{ ''.join([]) }} {{ 'abc'.translate({97: 'x', 98: none}) }} {{ 'abc'.translate('abc'.maketrans('ab', 'xy')) }}
{{ '{} {}'.format(1, 'a') }} {{ '{1} {0}'.format('a', 'b') }} {{ '{a} {b}'.format(a=1, b=2) }} {{ '{:>8}|{:<8}|{:^8}|'.format('a', 'b', 'c') }} {{ '{:*^9}'.format('mid') }} {{ '{:05d}'.format(42) }} {{ '{:+d} {: d}'.format(5, 5) }} {{ '{:,}'.format(1234567) }} {{ '{:.2f}'.format(3.14159) }} {{ '{:e}'.format(12345.678) }} {{ '{:g}'.format(0.00001234) }} {{ '{:%}'.format(0.25) }} {{ '{:x} {:X} {:o} {:b}'.format(255, 255, 8, 5) }} {{ '{:#b}'.format(5) }} {{ '{{}}'.format() }} {{ '{!r}'.format('a') }} {{ '{0[0]} {0[1]}'.format([1, 2]) }} {{ '{0.role}'.format(messages[0]) }}
{{ '{:.3}'.format(3.14159) }} {{ '{:10.3f}|'.format(3.14159) }} {{ '{:<10.3f}|'.format(3.14159) }} {{ '{:=+8d}'.format(42) }} {{ '{:08.3f}'.format(-3.14159) }} {{ '{:,.2f}'.format(1234567.891) }} {{ '{:_x}'.format(1048576) }} {{ '{:n}'.format(1234) }} {{ '{:c}'.format(233) }} {{ '{:d}'.format(true) }} {{ '{}'.format(true) }} {{ '{:5}|'.format(true) }} {{ '{}'.format(none) }} {{ '{}'.format([1, 'a']) }} {{ '{:.0f} {:.0f} {:.0f}'.format(0.5, 1.5, 2.5) }} {{ '{:.1f}'.format(0.25) }} {{ '{:g} {:g}'.format(1e6, 1e5) }} {{ '{:G}'.format(1e-10) }} {{ '{:.2%}'.format(0.12345) }} {{ '{:z.1f}'.format(-0.01) }} {{ '{:s}'.format('x') }} {{ '{:^+9.2e}'.format(12345.678) }}
{{ '{:5}|{:<5}|{:^5}|{:>5}|'.format(1, 1, 1, 1) }} {{ '{:5}|'.format(1.5) }} {{ '{:}'.format(1.0) }} {{ '{:f}'.format(1) }} {{ '{:.3g}'.format(1234.5) }} {{ '{:#.3g}'.format(1.0) }} {{ '{:#x}'.format(-255) }} {{ '{:#010x}'.format(255) }} {{ '{:,}'.format(1234.5) }} {{ '{:,}'.format(1e20) }} {{ '{:.1e}'.format(0) }} {{ '{:g}'.format(100000) }} {{ '{:g}'.format(1234567) }} {{ '{:}'.format(1e16) }} {{ '{:.2}'.format(1e16) }} {{ '{:.10}'.format(1.0) }} {{ '{:.1}'.format(10.0) }} {{ '{:E}'.format(1.5) }} {{ '{:06}'.format(-1.5) }} {{ '{:^06}|'.format(5) }} {{ '{:<06}|'.format(5) }} {{ '{:x<6}|'.format('ab') }} {{ '{:06}|'.format('ab') }}
{{ '{:,d}'.format(-1234567) }} {{ '{:_b}'.format(1023) }} {{ '{:_}'.format(1234567.125) }} {{ '{:.0%}'.format(0.5) }} {{ '{:.0e}'.format(15000) }} {{ '{:.0g}'.format(15000) }} {{ '{: }'.format(1.5) }} {{ '{:-}'.format(1) }} {{ '{:+.0f}'.format(-0.4) }} {{ '{:#.0f}'.format(3) }} {{ '{:#.0e}'.format(3) }} {{ '{:#g}'.format(3) }} {{ '{:#o}'.format(8) }} {{ '{:#X}'.format(255) }} {{ '{:<#8x}|'.format(255) }} {{ '{:=8}|'.format(-5) }} {{ '{:*=8}|'.format(-5) }} {{ '{:,.0f}'.format(1234567) }} {{ '{:10,.1f}|'.format(12345.67) }}
{{ '{:,s}'.format('a') }}
{{ '{:d}'.format(1.5) }}
{{ '{:d}'.format('a') }}
{{ '{:.2d}'.format(5) }}
{{ '{:q}'.format(5) }}
{{ '{}'.format() }}
{{ '{a}'.format() }}
{{ '{'.format() }}
{{ '}'.format() }}
{{ '{0} {}'.format(1, 2) }}
{{ '{:=5}'.format('a') }}
{{ '{:+}'.format('a') }}
{{ '{:5}'.format([1]) }}
{{ '{:5}'.format(none) }}
{{ '{0.__class__}'.format(1) }}
{{ '{:,_}'.format(1) }}
{{ '{:,n}'.format(1) }}
{{ '{:,c}'.format(65) }}
{{ '{:#c}'.format(65) }}
{{ '{:+c}'.format(65) }}
{{ '{:_,}'.format(1) }}
{{ '{:5.}'.format(1.0) }}
{{ '{!x}'.format(1) }}
{{ '{0!}'.format(1) }}
{{ '%s %d %f %.1f' % ('a', 5, 1.5, 2.25) }} {{ '%5d|%-5d|%05d' % (1, 2, 3) }} {{ '%+d % d' % (1, 2) }} {{ '%x %X %o %#x' % (255, 255, 8, 255) }} {{ '%e %E %g %G' % (1.5, 1.5, 1e-5, 1e20) }} {{ '%%' % () }} {{ '%s' % [1, 'a'] }} {{ '%s' % (none,) }} {{ '%r' % 'a' }} {{ '%c%c' % ('a', 66) }} {{ '%(a)s %(b)d' % {'a': 'x', 'b': 2} }} {{ '%10s|%-10s|' % ('a', 'b') }} {{ '%.2s' % 'abc' }} {{ '%5.1f|' % 3.14159 }} {{ '%d' % 3.99 }} {{ '%d' % true }} {{ '%s' % true }} {{ '%.3d' % 5 }} {{ '%i' % -3 }} {{ '%u' % 3 }}
{{ '%.0f %.0f' % (0.5, 1.5) }} {{ '%#.0f' % 3 }} {{ '%#o' % 8 }} {{ '%08.2f' % -3.5 }} {{ '%+08d' % 5 }} {{ '%-08d|' % 5 }} {{ '% 5d' % 5 }} {{ '%5s' % none }} {{ '%ld' % 5 }} {{ '%s %s' % ('a', ['b']) }} {{ '%#x' % 0 }} {{ '%x' % -255 }} {{ '%.5x' % 255 }} {{ '%#.5x' % 255 }} {{ '%010.3e' % 12345.678 }} {{ '%g' % 1e16 }} {{ '%g' % 123456789 }} {{ '%.3g' % 0.00012345 }} {{ '%#g' % 1 }} {{ '%s' % 1e16 }} {{ '%d' % 1e16 }} {{ '%5c|' % 'a' }} {{ '%-5c|' % 'a' }} {{ '%s' % {'a': 1} }} {{ '%s%%' % 5 }}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ '%s' % ('a', 'b') }}
{{ '%y' % 1 }}
{{ '%' % () }}
{{ 'a%' % () }}
{{ '%x' % 1.5 }}
{{ '%c' % 'ab' }}
{{ '%(a)s' % ('x',) }}
{{ '%(a)s %s' % {'a': 1} }}
{{ '%f' % 'x' }}
{{ 'abc' % () }} {{ 'abc' % [] }} {{ 'abc' % {'a': 1} }}
{{ 'abc' % 1 }}
{{ 'abc' % 'x' }}
{{ '%s' % nothing }}| {{ '%s' % (nothing,) }}| {{ '{}'.format(nothing) }}| {{ 'a' ~ nothing ~ 'b' }} {{ [nothing] | join('x') }}| {{ nothing | string }}| {{ nothing | list }} {{ nothing | length }} {{ nothing | sum }} {{ nothing == nothing }} {{ nothing != 1 }} {{ nothing in [1] }} {{ not nothing }} {{ nothing or 'x' }} {{ (nothing | default('d')) }}
{{ '%d' % nothing }}
{{ nothing * 2 }}
{{ nothing - 1 }}
{{ 1 - nothing }}
{{ 'a' + nothing }}
{{ nothing > 1 }}
{{ -nothing }}
{{ nothing ** 2 }}
{{ nothing // 2 }}
{{ nothing | round }}
{{ nothing | float }}
{{ nothing.x }}
{{ nothing['x'] }}
{{ nothing() }}
{{ messages.nothing }}| {{ messages.nothing is defined }} {{ messages['x'] is defined }} {{ 'a'.nothing is defined }} {{ (5).nothing is defined }} {{ none.nothing is defined }} {{ messages[0]['__class__'] is defined }} {{ messages[0].__class__ is defined }}
{{ messages.append(1) }}
{{ messages[0].update({'a': 1}) }}
{{ messages[0].pop('role') }}
{{ [1].insert(0, 2) }}
{{ {}.setdefault('a', 1) }}
{{ messages[0].__class__.__name__ }}
{{ ''.__class__ }}
{{ (messages | list).sort() }}
{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() }} {{ {'a': 1}.items() }} {{ {'a': 1, 'b': 2}.items() | list | last }} {{ {'a': 1}.copy() }} {{ {'a': {'b': 1}}.a.b }} {{ {'keys': 5}['keys'] }} {{ {'x': 1}['x'] }}
{{ {'a': 1, 'a': 2} }} {{ {1: 'a', 1.0: 'b', true: 'c'} }} {{ {none: 1} }} {{ {(1, 2): 3}[(1, 2)] }} {{ {'a': 1} | length }} {{ 'a' in {'a': 1} }} {{ {'a': none}.a }} {{ {'a': 1} | list }} {{ {'a': 1} | first }} {{ {'a': 1, 'b': 2} | last }} {{ {'a': 1, 'b': 2} | reverse | list }} {{ {'a': 1} | join(',') }}
{{ {[1]: 2} }}
{{ {{}: 2} }}
{{ [1, 2, 3].index(2) }} {{ [1, 2, 2].count(2) }} {{ (1, 2).index(2) }} {{ 'abc'.index('c') }} {{ range(5).index(3) }} {{ range(5).count(9) }} {{ [1, [2, [3]]] }} {{ [1, 2] + [3] }} {{ [1, 2] | first }} {{ [] | first }}| {{ [] | last }}| {{ [1, 2] | last }} {{ (1, 2) | reverse | list }} {{ [1, 2, 3] | length }} {{ [1] | string }} {{ [[1, 2], [3]] | sum(start=[]) }} {{ [true, 1.0, 'x\'"', none] }} {{ ['\\', '\n', '\x00', 'é', '\u200b', '\U0001F600'] }}
{{ [1].index(5) }}
{{ 'a\tb' | tojson }} {{ '</script>' | tojson }} {{ {'b': 1, 'a': [1, {'c': none}]} | tojson }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, 2] | tojson(indent=2) }} {{ {'a': []} | tojson(indent=1) }} {{ {} | tojson(indent=2) }} {{ [1.0, 1e20, 0.1, -0.0] | tojson }} {{ true | tojson }} {{ none | tojson }} {{ 'nan' | float | tojson }} {{ 'inf' | float | tojson }} {{ {1: 2, true: 3, none: 4, 1.5: 5} | tojson }} {{ (1, 2) | tojson }} {{ 'é\u2028\x00' | tojson }} {{ {'a': 1} | tojson(separators=(',', ':')) }} {{ [1] | tojson(indent='\t') }} {{ [[], {}] | tojson(indent=2) }} {{ [1, 2] | tojson(indent=0) }} {{ [1] | tojson(indent=-1) }} {{ [1] | tojson(indent=true) }} {{ {'a': 1} | tojson(indent=2, separators=[',', '=']) }} {{ '"\\/\b\f' | tojson }}
{{ {(1, 2): 3} | tojson }}
{{ range(3) | tojson }}
{{ nothing | tojson }}
{{ ([1] | map('string')) | tojson }}
{{ {'a': 1, 2: 3} | tojson(sort_keys=true) }}
{{ {'a': 1}.items() | tojson }}
{{ 'hello world foo' | truncate(11) }} {{ 'hello world foo' | truncate(11, true) }} {{ 'hello world foo' | truncate(11, false, '', 0) }} {{ 'hello world foo' | truncate(5, leeway=0) }} {{ 'hello' | truncate(3, end='', leeway=0) }} {{ 'hello world' | truncate(9, true, '..', 0) }} {{ 'abc' | truncate(3) }} {{ 'abcdefghij' | truncate(5) }} {{ 'abcdefghijk' | truncate(5) }}
{{ 'abc' | truncate(2, end='...', leeway=0) }}
{{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2) }} {{ 'a\nb' | indent('> ') }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb\n' | indent(1) }}| {{ '' | indent }}| {{ '\n' | indent(2, first=true) }}| {{ 'a\r\nb' | indent(2) }} {{ '' | indent(2, true) }}|
{{ 'Hello' | replace('l', 'L') }} {{ 'Hello' | replace('l', 'L', 1) }} {{ 12 | replace(1, 3) }} {{ 'x' | default }} {{ 'a b' | title }} {{ "it's a-b (c) d.e" | title }} {{ 'ÉCOLE' | lower | capitalize }} {{ 'abc' | capitalize }} {{ 'ǆabc' | capitalize }} {{ 'ßa' | capitalize }} {{ 'ßa b' | title }} {{ ' a ' | trim }}| {{ 'xax' | trim('x') }} {{ 'a b' | wordcount }} {{ "don't stop-it é_1" | wordcount }} {{ 'abc' | list }} {{ 'abc' | batch(2) | list }} {{ -5 | abs }} {{ -5.5 | abs }} {{ true | abs }} {{ 'x' | string }} {{ 'a' | center(5) }}| {{ 'a' | center(4) }}|
{{ 'x' | abs }}
{{ 'x' | round }}
{{ 5 | length }}
{{ 5 | list }}
{{ 5 | first }}
{{ none | join }}
{{ [1] | join(attribute='x') }} {{ [{'a': 1}, {'a': 2}] | join(',', attribute='a') }} {{ [1, none, true, 1.0] | join('-') }} {{ 'abc' | join('-') }} {{ [] | join('x') }}| {{ [[1], {'a': 1}] | join }} {{ (1, 2) | join(1) }} {{ [1, 2] | join(none) }}
{{ cycler('a', 'b').next() }} {% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }} {% set j = joiner(' | ') %}{{ j() }}a{{ j() }}b{{ j() }}c
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 1, -2) | list }} {{ range(3) }} {{ range(0, 10, 3) }} {{ range(3) | length }} {{ 2 in range(3) }} {{ 2.0 in range(3) }} {{ 'a' in range(3) }} {{ range(3)[1] }} {{ range(3) | last }} {{ range(3) | reverse | list }} {{ range(-1) | list }} {{ range(3) | sum }} {{ range(true) | list }}
{{ range(1.5) }}
{{ range(0, 1, 0) }}
{{ range('3') }}
{{ range() }}
{{ range(100001) }}
{{ dict(a=1, b=2) }} {{ dict([('a', 1)]) }} {{ dict({'a': 1}, b=2) }} {{ dict() }} {{ dict(['ab']) }} {{ dict.fromkeys(['a'], 1) }} {{ dict(a=1) == {'a': 1} }}
{{ lipsum is defined }} {{ self is defined }} {{ super is defined }} {{ caller is defined }} {{ varargs is defined }} {{ kwargs is defined }} {{ loop is defined }} {{ context is defined }} {{ environment is defined }} {{ add_generation_prompt }} {{ documents }} {{ tools }} {{ bos_token }}
{{ 1 if true }} {{ 1 if false }}| {{ 'a' if false else 'b' if false else 'c' }} {{ (1 if false) is defined }} {{ [1 if true else 2, 3] }} {{ 1 if [] else 2 }} {{ 'x' if messages else 'y' }} {{ not 1 if true else 2 }} {{ 1 + 1 if false else 5 }} {{ 'a' ~ 'b' if true else 'c' }}
{{ 1 and 2 or 3 }} {{ 0 or '' or none }} {{ not (1 and 0) }} {{ not 1 == 2 }} {{ 1 == 1 and 2 == 2 }} {{ 'a' and 'b' }} {{ [] and 1 }} {{ 1 in [1] and 2 not in [1] }} {{ not 1 in [1] }} {{ not not 1 }} {{ -1 ** 2 }} {{ (-1) ** 2 }} {{ - -1 }} {{ +1 }} {{ 2 - -2 }} {{ 2 * -3 }} {{ -2 | abs }} {{ 2 ** -1 ** 2 }}
{{ 'a' ~ 1 + 2 ~ 'b' }} {{ 1 ~ 2 * 3 }} {{ 'a' ~ 'b' == 'ab' }} {{ 1 + 2 == 3 }} {{ 10 - 2 - 3 }} {{ 2 ** 3 ** 2 }} {{ 100 // 7 % 5 }} {{ 1 + 2 | abs }} {{ 'x' in 'xyz' ~ 'w' }} {{ 1 < 2 and 2 < 3 }} {{ 1 == 1 == 1 }} {{ 'a' ~ -1 }} {{ 3 | string ~ 'x' }} {{ not 'a' in 'b' }} {{ 1 is odd and 2 is even }} {{ 1 is odd or false }} {{ (1, 2) ~ [3] ~ {'a': 1} ~ none ~ true ~ 1.0 }}
{{ 1 is divisibleby 1 + 1 }} {{ 4 is divisibleby 2 and true }} {{ 4 is divisibleby(2) ~ 'x' }} {{ 'a' is in ['a'] ~ 'x' if false else 'y' }} {{ 3 is odd ~ 'x' }} {{ 5 is not odd }} {{ 5 is defined and 6 is defined }} {{ [1] is eq [1] }} {{ 1 is eq 1 == true }}
{{ 'a'
{{ 'a' 'b' }} {{ "a" 'b' ~ 'c' }} {{ ('a' 'b') | upper }} {{ 'x' 'y'[0] }} {{ ['a' 'b', 'c'] }}
{{ 1.5.is_integer() }} {{ 2.0.is_integer() }} {{ (5).bit_length() }} {{ 1.0 | int | string }} {{ 1.real }} {{ (1).real }}
{{ messages | map(attribute='role') | join(', ') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'equalto', 'system') | map(attribute='content') | map('trim') | join('|') }} {{ (messages | last).role }} {{ messages[-1]['role'] }} {{ messages[:-1] | length }} {{ messages[1:][0].role }} {{ messages[::-1][0].role }}
{{ tools | length }} {{ tools[0].function.name }} {{ tools | tojson(indent=4) }} {{ tools[0] | items | list | length }} {{ tools | map(attribute='function.name') | list }} {{ tools[0].function.parameters.properties | dictsort | map('first') | list }} {% for t in tools %}{% for k, v in t.function.parameters.properties.items() %}{{ k }}:{{ v.type }}{{ v.default }}{{ v.enum }}{% endfor %}{% endfor %}
{% if messages[0].role == 'system' and messages[0].content is string and not tools %}a{% elif tools %}b{% else %}c{% endif %}{% if nothing %}a{% elif nothing is not defined %}b{% endif %}
{% raw %}{{ x }}{% if %}{# #}{% endraw %}{# comment {{ x }} {% if %} #}b{#- x -#} c {{- 'd' -}} e
{% generation %}x{{ 1 }}{% endgeneration %}{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}
{%- for m in messages -%} {{ m.role }} {%- endfor -%} {%- if true -%} x {%- else -%} y {%- endif -%} {{- 'a' -}} {%- set x = 1 -%} z
{% do messages %}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% trans %}a{% endtrans %}
{% debug %}
{% nothing %}
{{ x | nothing }}
{{ 1 is nothing }}
{% if %}
{{ }}
{{ 1 +  }}
{{ (1 }}
{{ [1, }}
{% for x in %}{% endfor %}
{% endif %}
{% set x = 1 %}{% endset %}
{{ 'abc }}
{{ a.1 }}
{{ messages.0.role }} {{ [1, 2].0 }} {{ {'a': [5]}.a.0 }}
{{ 1 ? 2 : 3 }}
{{ a && b }}
{{ !a }}
{{ a = 1 }}
{{ 1; 2 }}
{% set a = b = 1 %}
{% set 1 = 2 %}
{% set a.b.c = 1 %}
{% set x = 1, 2 %}{{ x }} {% set y = (1) %}{{ y }} {% set z = 1, %}{{ z }} {% set a, b = 'xy' %}{{ a }}{{ b }} {% set q = x, y %}{{ q }}
{% for x in 1, 2 %}{{ x }}{% endfor %} {% for x in (1, 2) if x > 1 %}{{ x }}{% endfor %} {{ (1, 2)[0] }} {{ 1, 2 }} {{ () }} {{ (1,) }}
{% if 1, %}a{% endif %}
{{ [1, 2, ] }} {{ {'a': 1, } }} {{ (1, 2, ) }} {{ dict(a=1, ) }} {{ range(3, ) | list }}
{{ f(a=1, 2) }}
{{ dict(**{'a': 1}, **{'b': 2}) }}
{{ dict(*[[('a', 1)]], b=2) }}
{% call messages | length %}x{% endcall %}
{{ 'a' | upper | lower | title | length }} {{ ('a' | upper) ~ 'b' }} {{ 'a' | replace('a', 'b' | upper) }} {{ 'x' | default('y' | upper, true) }} {{ [1, 2] | map('string') | map('upper') | list | last }} {{ 'abc' | first | upper }} {{ 'a-b' | replace('-', ' ') | title | replace(' ', '') }}
{{ 'A' | attr('lower') is callable }} {{ 'x' | attr('nothing') is defined }} {{ messages[0] | attr('role') is defined }}
{{ '' | first }}|{{ '' | last }}|{{ '' | list }}|{{ '' | reverse }}|{{ '' | length }}|{{ '' | title }}|{{ '' | capitalize }}|{{ '' | wordcount }}|{{ '' | trim }}|{{ '' | join('x') }}|{{ '' | int }}|{{ '' | float }}|{{ '' | upper }}|{{ '' | urlencode }}|{{ '' | tojson }}|{{ '' | e }}|{{ '' | sort }}|{{ '' | unique | list }}|{{ '' | batch(2) | list }}|
{% set x = [] %}{{ x.append(1) }}
{% for i in range(3) %}{{ loop.nothing }}{{ loop['index'] }}{{ loop.index is defined }}{{ loop is iterable }}{{ loop | length }}{% endfor %}
{{ strftime_now('%Y') | length }} {{ strftime_now('') }}| {{ strftime_now('abc') }} {{ strftime_now('%%') }}
{{ strftime_now(1) }}
{{ strftime_now() }}
{{ raise_exception() }}
{{ raise_exception('x') if false else 'ok' }}
{{ none is sameas none }}
{{ '1' + 1 | string }} {{ ('1' | int) + 1 }} {{ '5' * 2 | int }} {{ [1, 2] | join | int + 1 }} {{ 5 / 2 | int }} {{ (5 / 2) | int }} {{ 5 // 2 }} {{ 5.0 // 2 }} {{ 6 / 3 }} {{ 2 * 1.5 }} {{ 10 % 3.5 }} {{ -5 // 3 }} {{ -5 % 3 }} {{ 5 % -3 }} {{ 0.1 + 0.2 == 0.3 }} {{ 1e2 == 100 }} {{ 1e2 }} {{ 1.10 }}
{{ true + true }} {{ true * 3 }} {{ true / 2 }} {{ -true }} {{ true ~ 1 }} {{ true == 1.0 }} {{ [true, false].index(0) }} {{ {true: 'a'}[1] }} {{ true | string }} {{ true | tojson }} {{ true | int }} {{ false | default('x') }} {{ false | default('x', true) }} {{ true and 1 }} {{ true > false }} {{ +true }} {{ true ** 2 }} {{ true // 1 }} {{ true % 2 }} {{ true - 1 }}
{{ '%5%|' % () }}
{{ '%(a)%' % {'a': 1} }}
{{ '%5%' % 1 }}
{{ '%s %(a)s' % {'a': 1} }}
{% set a = [1, 2, 3] | map('string') %}{% for i in a %}{{ i }}{% endfor %}{{ a | list }}
{% set a = [1, 2, 3] | map('string') %}{{ '2' in a }}{{ a | list }}{{ a | first is defined }}
{% set a = [3, 1] | map('string') %}{{ a | sort }}{{ a | list }}{{ a is iterable }}
{% set a = [1, 2] | map('string') | map('upper') | select %}{{ a | join('-') }}{{ a | join('-') }}
{{ '٣' | int + 1 }} {{ '١٢.٥' | float }} {{ '𝟘𝟙𝟡' | int }} {{ '०x' | int }} {{ '²' | int }} {{ '一' | int }} {{ '-٣' | int }}
{{ 2 ** 127 // 2 ** 64 if false else 'x' }} {{ -(2 ** 126) / 3 }} {{ (2 ** 120 + 1) / 2 ** 60 }} {{ 3 / (2 ** 100 + 1) }} {{ (10 ** 37) / 7 }} {{ -9007199254740993 / 2 }}
{{ 1 < 1.0000000000000002 }} {{ 2 ** 100 > 1e30 }} {{ 2 ** 100 < 'inf' | float }} {{ -(2 ** 100) > -1e308 }} {{ 10 ** 30 == 1e30 }} {{ {1e30: 1}[10 ** 30] is defined }} {{ {2.0 ** 100: 'x'}[2 ** 100] }} {{ [10 ** 23, 1e23] | unique | list }} {{ [9007199254740993, 9007199254740992.0] | sort }} {{ [9007199254740993, 9007199254740992.0] | max }} {{ -0.5 < 0 }} {{ 0 < 0.5 }} {{ -1 < -0.5 }} {{ -1 > -1.5 }}
{{ '{:z.1f} {:z.0e} {:zg}'.format(-0.01, -0.0, -0.0) }} {{ '{:+z.1f}'.format(-0.04) }} {{ '{:z.1f}'.format(-0.06) }} {{ '{:#}'.format(1e16) }} {{ '{:#.1g}'.format(3) }} {{ '{:#.0%}'.format(0.5) }} {{ '%#.0e' % 3 }} {{ '%#.1g' % 3 }} {{ '{:#.2f}'.format(1) }} {{ '{:#.3}'.format(1.0) }}
{{ '{:zd}'.format(1) }}
{{ '{:zs}'.format('a') }}
{{ '{:,x}'.format(255) }}
{{ '{:_n}'.format(255) }}
{{ '{:,b}'.format(255) }}
{{ '{:_o} {:_X}'.format(2 ** 20, 2 ** 30) }}
{{ '፩᧚'.isdigit() }} {{ '፩'.isdecimal() }} {{ '𐩀🄀⓵❶'.isdigit() }} {{ '參兩〇億'.isnumeric() }} {{ '參'.isalnum() }} {{ '¾'.isdigit() }} {{ '¾'.isalnum() }} {{ '๓'.isdecimal() }}
""".strip("\n").split("\n")

# Templates of more than one line.
SEMANTICS_BLOCKS = [
    "{%- set x -%}\n  a\n  b\n{%- endset -%}\n[{{ x }}]",
    "a {#- c -#} b\n{# c #}\nd\n{#+ c +#}\ne",
    "  {# c #}\n  x\n  {# c #} y\n",
    "\t{% if true %}\n\tx\n\t{% endif %}\n\ty",
    "{% for i in range(2) %}\n{# comment #}\n{{ i }}\n{% endfor %}",
    "{% for i in range(2) -%}\n  {# comment #}\n  {{ i }}\n{%- endfor %}\nend",
    "{%- if true %} a {% endif -%}\n b",
    "x {%+ if true +%}\n a {%- endif +%}\n b",
    "{{ 'a' -}}\n\n{{- 'b' }}\n{{ 'c' +}}\nd",
    "{% raw -%}\n a {{ b }}\n{%- endraw %}\nc",
    "{% macro f(a,\n  b=2) -%}\n{{ a }}{{ b }}\n{%- endmacro %}\n{{ f(1) }}\n{{ f(1,\n 3) }}",
    "{% call(x) f(1) -%}\n {{ x }}\n{%- endcall %}{% macro f(y) %}{% endmacro %}",
    "{% macro f(y) -%}\n  <{{ caller(y) }}>\n{%- endmacro %}\n{% call(x) f(1) -%}\n {{ x }}\n{%- endcall %}",
    "{% filter upper -%}\n abc\n{%- endfilter %}\nd",
    "{% with a = 1 -%}\n {{ a }}\n{%- endwith %}\nd",
    "{% for m in messages %}{%- if loop.first %}\n[first]\n{%- elif loop.last %}\n[last]\n{%- else %}\n[mid]\n{%- endif %}{% endfor %}",
    "{{ '\\n' }}{% if true %}\n{{ '\\n' }}{% endif %}\n",
    "{{ \"a\nb\" }}",
    "line {{ 1 }}   \n   {% if true %}   \n   x   \n   {% endif %}   \n",
    "{% set a = 1 %}\n\n{% set b = 2 %}\n\n{{ a }}{{ b }}\n\n",
    "{#- a -#}\n{#- b -#}\nx\n{#- c -#}\n",
    "a\u00a0{% if true %}\n\u00a0b{% endif %}",
    "\u3000{% set x = 1 %}\nb",
    "a\f\n{%- if true %}b{% endif %}",
    "{%- if true -%}\u2003x\u2003{%- endif -%}",
    "a\u001c{{- 1 -}}\u001cb",
    "a\u0085{{- 1 -}}\u0085b",
    "{{ 'a\\\nb' }}",
    "{{ 1 }}{# {# nested #} x #}",
    "{%\tif\ttrue\t%}a{%\nendif\n%}",
    "{{ {\n'a':1 } }}{{[1]}}{{(1)}}",
    "{{'a'}}{{ 'b'}}{{'c' }}",
    "{%- macro a() %}\n  x\n{% endmacro -%}\n\n{{ a() }}|{{ a() | trim }}",
    "{% for i in [1,2] recursive %}\n{{ i }}\n{% endfor %}\n",
    "{{ {'a': '}}'} }} {{ '{{' }} {{ '{%' }} {% raw %}{%{% endraw %}",
    "{% if true %}a\n{% elif false %}\nb\n{% else %}\nc\n{% endif %}\nd",
    "-{%- if true -%} - {%- endif -%} -",
    "{{- 'x' }}\r\n{%- if true %}\r\n y\r\n{%- endif %}\r\n",
    "{% for x in [1, 2] %}{% if x %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "{% for x in [1, 2] %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "{% for x in [1, 2] %}{% if x %}{% continue %}{% endif %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in [1, 2] %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in [1] %}{% for y in [2] %}{% break %}{% else %}a{% endfor %}{% else %}b{% endfor %}",
]
