"""Templates of one line, one construct each. `dump.py` renders them with transformers."""

# Each line is a template of its own.
LINES = r"""
{{ true }} {{ false }} {{ none }} {{ True }} {{ False }} {{ None }}
{{ [true, none, 1, 1.5, 'a', "b'c", 'd"e', 'x\ny'] }}
{{ {'a': 1, 'b': [true, {'c': none}], 3: 'x'} }}
{{ (1, 2) }} {{ (1,) }} {{ () }}
{{ 1 }} {{ -1 }} {{ 1.0 }} {{ 0.1 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789.125 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1.5e300 }} {{ -0.0 }}
{{ [1e16, 1e-7, 100.0] }}
{{ 1e22 ~ '' }}
{{ 1e400 }} {{ -1e400 }}
{{ 1 / 2 }} {{ 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ 7.5 % 2 }}
{{ 0.1 + 0.2 }} {{ 1 / 3 }} {{ 10 / 5 }} {{ 1e3 }}
{{ 2 ** 64 }} {{ 2 ** 100 }}
{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 'a' + 'b' }} {{ 'a' ~ 1 ~ true ~ none ~ 1.5 }} {{ 'ab' * 3 }} {{ [1] + [2] }} {{ [1, 2] * 2 }}
{{ 'a' + 1 }}
{{ 1 + none }}
{{ [] + 'a' }}
{{ true + 1 }} {{ true == 1 }} {{ 1 == 1.0 }} {{ 'a' == "a" }} {{ [1] == [1] }} {{ none == false }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 1 in [1, 2] }} {{ 'a' in 'cab' }} {{ 'k' in {'k': 1} }} {{ 3 not in [1] }}
{{ 1 in 'abc' }}
{{ 1 in none }}
{{ not true }} {{ not '' }} {{ true and 'x' }} {{ false or 'y' }} {{ '' or none }} {{ 0 and 1 }} {{ [] or {} }}
{{ 'x' if true else 'y' }} {{ 'x' if false }} {{ ('x' if false) is defined }}
{{ messages[0].role }} {{ messages[0]['role'] }} {{ messages[-1].content }} {{ messages | length }}
{{ messages[0].nothing }}|{{ nothing }}|{{ messages[0]['nothing'] }}
{{ nothing.attribute }}
{{ messages[0].nothing.more }}
{{ nothing['x'] }}
{{ messages[99] }}
{{ messages[99].role }}
{{ nothing() }}
{{ messages[0].nothing() }}
{{ nothing + 1 }}
{{ nothing ~ 'x' }}
{{ nothing == none }} {{ nothing is defined }} {{ nothing is none }} {{ not nothing }}
{{ [nothing] }}
{% for x in nothing %}a{% else %}empty{% endfor %}
{{ nothing | length }}
{{ nothing | upper }}|{{ nothing | trim }}|
{{ nothing | default('d') }} {{ none | default('d') }} {{ none | default('d', true) }} {{ '' | default('d', boolean=true) }} {{ 0 | d(7, true) }}
{{ nothing | tojson }}
{{ nothing < 1 }}
{{ 'x' in nothing }}
{{ none.x }}
{{ none.x.y }}
{{ none | length }}
{{ none | upper }} {{ 1 | upper }} {{ true | lower }}
{{ 1 | length }}
{{ 'abc'[0] }} {{ 'abc'[-1] }} {{ 'abc'[1:] }} {{ 'abc'[:-1] }} {{ 'abcdef'[::2] }} {{ 'abc'[::-1] }} {{ 'abc'[5:] }}
{{ 'abc'[10] }}
{{ [1, 2, 3, 4][1:3] }} {{ [1, 2, 3][::-1] }} {{ messages[1:] | length }} {{ messages[:1][0].role }} {{ [1, 2, 3, 4][-2:] }} {{ (1, 2, 3)[1:] }}
{{ [1,2,3][3:1:-1] }} {{ 'héllo'[1] }} {{ '世界!'[1:] }}
{{ 'abc'.upper() }} {{ 'ABC'.lower() }} {{ 'abc def'.title() }} {{ 'aBC'.capitalize() }} {{ 'aBc'.swapcase() }} {{ 'ß'.casefold() }}
{{ ' a '.strip() }}| {{ ' a '.lstrip() }}| {{ ' a '.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'abcab'.lstrip('ab') }} {{ 'ab\n'.rstrip('\n') }}|
{{ 'a,b,c'.split(',') }} {{ 'a b  c'.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b '.split(' ') }} {{ 'a b c'.split(maxsplit=1) }} {{ 'a,b'.split(sep=',') }}
{{ 'a b c'.rsplit() }} {{ 'a b c'.rsplit(none, 1) }} {{ ' a  b '.split(none, 1) }}
{{ 'abc'.split('') }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}
{{ 'a=b'.partition('=')[2] }} {{ 'a</think>b'.split('</think>')[-1] }} {{ 'a</think>b'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'ab'.ljust(4) }}| {{ 'ab'.rjust(4, '.') }} {{ 'ab'.center(5, '*') }} {{ 'abc'.center(6, '*') }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'abc'.removeprefix('x') }}
{{ 'abc'.startswith('a') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.startswith(('x', 'y')) }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith('b', 0, 2) }}
{{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'abc'.find('x') }} {{ 'abc'.index('c') }} {{ 'abcabc'.count('a') }} {{ 'abcabc'.find('a', 1) }} {{ 'héé'.find('é') }} {{ 'aaaa'.count('aa') }} {{ 'abc'.rindex('c') }}
{{ 'abc'.index('x') }}
{{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab'.replace('', '.') }} {{ 'aaa'.replace('a', 'b', count=2) }}
{{ ','.join(['a', 'b']) }} {{ ''.join('abc') }} {{ ', '.join({'a': 1, 'b': 2}) }}
{{ ','.join([1, 2]) }}
{{ 'abc'.isalpha() }} {{ '123'.isdigit() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'ab'.islower() }} {{ 'AB'.isupper() }} {{ '12'.isdecimal() }} {{ 'Ab Cd'.istitle() }} {{ ''.isdigit() }} {{ '½'.isnumeric() }} {{ 'a_1'.isidentifier() }} {{ 'ab'.isascii() }} {{ 'a\n'.isprintable() }} {{ '²'.isdigit() }} {{ '½'.isdigit() }} {{ '½'.isalnum() }}
{{ 'a\nb\r\nc'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ 'a\n\nb\n'.splitlines() }} {{ 'a\tb'.expandtabs(4) }}
{{ 'abc'.translate({97: 'x'}) }}
{{ 'abc'.nothing() }}
{{ '%s and %d' % ('a', 3) }} {{ '%s' % 'x' }} {{ '%05.2f|%x|%o|%e' % (3.14159, 255, 8, 12345.678) }} {{ '%-5s|%5s|' % ('a', 'b') }} {{ '%r' % 'a' }} {{ '100%%' % () }} {{ '%(k)s' % {'k': 'v'} }} {{ '%s' % none }} {{ '%s' % [1, 'a'] }} {{ '%+d' % 5 }} {{ '%c' % 'x' }} {{ '%i' % 3.9 }}
{{ '%s' % true }} {{ '%d' % true }} {{ '%s' % 1.0 }} {{ '%g' % 0.00001 }} {{ '%.3s|' % 'abcdef' }} {{ '%X' % 255 }} {{ '%#x' % 255 }} {{ '%s %s' % ['a', 'b'] | string }}
{{ '%s %s' % 'a' }}
{{ '%d' % 'a' }}
{{ 'x' % 'a' }}
{{ '{} {}'.format('a', 1) }} {{ '{1} {0}'.format('a', 'b') }} {{ '{x}'.format(x=3) }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}'.format('a', 'b', 'c', 42, 3.14159, 1234567) }} {{ '{{}}'.format() }} {{ '{0[k]}'.format({'k': 'v'}) }} {{ '{!r}'.format('a') }} {{ '{:x} {:b} {:e} {:%}'.format(255, 5, 1.5, 0.25) }}
{{ '{} {}'.format('a') }}
{{ '{x}'.format() }}
{{ '{}'.format(true) }} {{ '{}'.format(none) }} {{ '{}'.format(1.0) }} {{ '{}'.format([1, 'a']) }}
{{ 'a' | upper }} {{ 'A' | lower }} {{ 'ab cd' | title }} {{ 'aB' | capitalize }} {{ ' a ' | trim }}| {{ 'xax' | trim('x') }} {{ "it's a-b (c)" | title }} {{ "it's".title() }}
{{ 'a b c' | wordcount }} {{ "it's one-two" | wordcount }} {{ 'abc' | length }} {{ 'abc' | count }} {{ '世界' | length }}
{{ 'abc' | first }} {{ 'abc' | last }} {{ [] | first }}| {{ [1, 2] | first }} {{ [1, 2] | last }} {{ [] | first is defined }}
{{ [3, 1, 2] | sort }} {{ [3, 1, 2] | sort(reverse=true) }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ messages | sort(attribute='role') | map(attribute='role') | list }}
{{ [1, 'a'] | sort }}
{{ [1, 2, 3] | reverse | list }} {{ 'abc' | reverse }}
{{ [1, 2, 3] | sum }} {{ [{'a': 1}, {'a': 2}] | sum(attribute='a') }} {{ [1, 2] | sum(start=10) }} {{ [0.5, 1] | sum }}
{{ ['a', 'b'] | sum }}
{{ [1, 2] | join(', ') }} {{ messages | map(attribute='role') | join('|') }} {{ messages | join(',', attribute='role') }} {{ 'abc' | join('-') }} {{ [1.0, true, none] | join(' ') }}
{{ messages | map(attribute='nothing', default='z') | list }} {{ ['a', 'b'] | map('upper') | list }} {{ [1, 2] | map('string') | list }} {{ [[1], [2]] | map('first') | list }} {{ [1.2, 1.7] | map('round') | list }} {{ ['ab'] | map('replace', 'a', 'x') | list }}
{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | selectattr('role', '==', 'system') | map(attribute='content') | first }} {{ messages | rejectattr('role', 'eq', 'user') | map(attribute='role') | list }} {{ messages | selectattr('content') | list | length }} {{ messages | selectattr('tool_calls', 'defined') | list }} {{ messages | selectattr('role', 'in', ['user', 'tool']) | list | count }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3] | reject('equalto', 2) | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [1, none] | reject('none') | list }} {{ [1, 2, 3] | select('gt', 1) | list }}
{{ [1, 2] | map('nothing') | list }}
{{ 'a' | nothing }}
{{ 'a' is nothing }}
{{ [1, 2] | select('nothing') | list }}
{{ [1, 1, 2] | unique | list }} {{ ['a', 'A'] | unique | list }} {{ ['a', 'A'] | unique(case_sensitive=true) | list }}
{{ [1, 2, 3] | min }} {{ [1, 2, 3] | max }} {{ ['b', 'A'] | min }} {{ [] | max }}|
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 2, 3] | slice(2, 'x') | list }}
{% for g in messages | groupby('role') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}
{% for role, group in messages | groupby('role') %}{{ role }}={{ group | length }} {% endfor %}
{{ 3.7 | int }} {{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ '3.9' | int }} {{ 'ff' | int(base=16) }} {{ '1.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ true | int }} {{ none | int }} {{ '0x1f' | int(0, 16) }} {{ ' 7 ' | int }}
{{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ 2.1 | round(method='ceil') }} {{ 2.9 | round(0, 'floor') }} {{ 3 | round }} {{ 0.125 | round(2) }} {{ 1.5 | round | int }} {{ 1234 | round(-2) }}
{{ -3 | abs }} {{ (-3) | abs }} {{ -1.5 | abs }}
{{ 1 | string }} {{ true | string }} {{ none | string }} {{ [1, 'a'] | string }} {{ {'a': true} | string }} {{ 1.0 | string ~ '!' }}
{{ 'abc' | list }} {{ {'a': 1} | list }} {{ range(3) | list }} {{ {'a': 1, 'b': 2}.items() | list }}
{{ {'b': 1, 'a': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'b': 1, 'A': 2} | dictsort(true) }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ {'a': 1} | items | list }} {% for k, v in {'a': 1, 'b': 2} | items %}{{ k }}{{ v }}{% endfor %}
{{ nothing | items | list }}
{{ 'abc' | items | list }}
{{ 'hello' | replace('l', 'L') }} {{ 'hello' | replace('l', 'L', 1) }} {{ 'hello' | truncate(4) }} {{ 'hello world foo' | truncate(11) }} {{ 'hello world foo' | truncate(11, true, '!') }} {{ 'hello world' | truncate(5, leeway=0) }}
{{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2, true) }}| {{ 'a\nb' | indent(2, first=true) }}| {{ 'a\n\nb' | indent(2, blank=true) }}| {{ 'a\nb' | indent('> ') }}
{{ '%s-%s' | format('a', 'b') }} {{ '%(a)s' | format(a=1) }} {{ '%.2f' | format(2.345) }}
{{ '<a&b>"c\'' | e }} {{ '<b>' | escape }} {{ '<b>' | safe }} {{ '<b>' | forceescape }}
{{ 'a b' | urlencode }} {{ {'a': 'b c', 'd': 1} | urlencode }} {{ 'ä/ö?' | urlencode }}
{{ 1000 | filesizeformat }} {{ 123456789 | filesizeformat }} {{ 1024 | filesizeformat(true) }}
{{ 'abc' | attr('nothing') }}|
{{ 'abc' | center(9) }}|
{{ {'a': 1, 'b': [1.0, true, none, 'x<&>\'"é\n\u2028']} | tojson }}
{{ {'a': 'é世🦙'} | tojson(ensure_ascii=true) }} {{ 'é' | tojson }} {{ '\x7f\t\x08\x0c\\/' | tojson }}
{{ {'b': 1, 'a': [1, 2, {}], 'c': {}, 'd': []} | tojson(indent=2) }}
{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2} | tojson(indent=4, separators=(',', ': ')) }} {{ [1, {'a': 2}] | tojson(false, 2) }}
{{ [1e16, 1e-5, 0.1, 100.0, 1e22, -0.0, 1.5] | tojson }} {{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }} {{ (1, 2) | tojson }} {{ 2 ** 70 | tojson }} {{ (2 ** 70) | tojson }}
{{ {'b': {'d': 1, 'c': 2}, 'a': 0} | tojson(sort_keys=true, indent=1) }} {{ [] | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ [[]] | tojson(indent=2) }} {{ 'a' | tojson(indent=2) }}
{{ {'a': 1} | tojson(indent='\t') }} {{ [1] | tojson(indent=0) }} {{ [1,2] | tojson(indent=none) }}
{{ {1: 'a', 'b': 2} | tojson(sort_keys=true) }}
{{ range(3) | tojson }}
{{ messages | tojson }}
{{ tools | tojson }} {{ tools | tojson(indent=4) }}
{{ tools }}
{{ tools[0] }} {{ tools[0].function.parameters.properties.city }} {{ tools[0].function.name | tojson }}
{{ 1e400 | tojson }} {{ 'a' | tojson | length }}
{{ tojson }}
{{ {'a': nothing} | tojson }}
{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 'd') }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }} {{ {'a': 1, 'b': 2}.items() | list }}
{{ {'a': 1}.keys() }} {{ {'a': 1}.values() }} {{ {'a': 1}.items() }}
{{ {'a': 1}.pop('a') }}
{{ {'a': 1}.update({'b': 2}) }}
{{ {'a': 1}.copy() }} {{ [1, 2].copy() }} {{ {'a': 1}.fromkeys(['x']) }}
{{ [1].append(2) }}
{{ {'a': 1}.setdefault('a', 2) }}
{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }}
{{ [1, 2].index(5) }}
{{ [1, 2].nothing() }}
{{ {'items': 5}['items'] }} {{ {'get': 1}.get('get') }}
{{ {'a': 1}.a }} {{ {'a': {'b': 2}}.a.b }} {{ {'a': 1}['b'] }}| {{ {1: 'x'}[1] }} {{ {'a': 1} | length }}
{{ 5 .bit_length() }} {{ (5).bit_length() }} {{ (1.5).is_integer() }}
{{ dict(a=1, b=2) }} {{ dict([('a', 1)]) }} {{ dict({'x': 1}, y=2) }} {{ dict() }} {{ dict.fromkeys(['a', 'b'], 0) }}
{{ dict(a=1) | tojson }} {{ dict(messages[0], content='x')['content'] }}
{{ range(5) | list }} {{ range(1, 4) | list }} {{ range(10, 0, -3) | list }} {{ range(3) }} {{ range(3) | length }} {{ range(5)[2] }} {{ 2 in range(3) }}
{{ range(1, 4)[::-1] | list }} {{ range(0) | list }} {{ range(3, 1) | list }}
{{ range(1000000) | length }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }}
{% set j = joiner(', ') %}{{ j() }}a{{ j() }}b{% set k = joiner() %}{{ k() }}{{ k() }}
{{ debug() }}
{{ zip([1, 2], [3]) }}
{{ len([1]) }}
{{ str(1) }}
{{ enumerate([1]) }}
{{ 1 is odd }} {{ 2 is even }} {{ 4 is divisibleby 2 }} {{ 4 is divisibleby(3) }} {{ 'a' is string }} {{ 1 is number }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ none is none }} {{ [] is sequence }} {{ {} is mapping }} {{ [] is iterable }} {{ 'a' is sequence }} {{ {} is sequence }} {{ true is number }} {{ true is integer }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ none is iterable }} {{ 1.5 is number }}
{{ 'a' is in 'abc' }} {{ 1 is in [1] }} {{ 1 is eq 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is sameas 1 }} {{ none is sameas none }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ true is true }} {{ false is false }} {{ 1 is true }} {{ messages is defined }} {{ x is undefined }} {{ x is not defined }} {{ dict is callable }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ 'a' is escaped }} {{ 1 is greaterthan 0 }}
{{ messages[0].role is defined and messages[0].role == 'system' }} {{ messages[0].tool_calls is defined }} {{ messages[0].content is string }} {{ messages[0].content is mapping }} {{ messages[0] is mapping }} {{ messages is iterable and messages is not string }} {{ messages[0]['content'] is not none }}
{{ nothing is string }} {{ nothing is mapping }} {{ nothing is iterable }} {{ nothing is number }} {{ nothing is sequence }} {{ nothing is true }}
{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined }}<{{ loop.nextitem.role if loop.nextitem is defined }}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }} {% endfor %}
{% for m in messages %}{{ loop.cycle() }}{% endfor %}
{% for m in messages %}{{ loop.nothing }}{% endfor %}|
{% for m in messages %}{{ loop.changed(m.role, 1) }}{{ loop.nextitem }}{% if loop.index > 1 %}{% break %}{% endif %}{% endfor %}
{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{{ loop.last }} {% else %}none{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }} {% endfor %}{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for k in {'x': 1, 'y': 2} %}{{ k }}{% endfor %} {% for c in 'abc' %}{{ c }}.{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for x in none %}{{ x }}{% endfor %}
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1, [2, [3]]] recursive %}{% if i is iterable %}[{{ loop(i) }}]{% else %}{{ i }}d{{ loop.depth }}{% endif %}{% endfor %}
{% for i in [1, 2] %}{{ loop([3]) }}{% endfor %}
{% for i in [1, 2] %}{% for j in [3, 4] %}{{ i }}{{ j }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}
{% for i in [1, 2] %}{% set outer = loop %}{% for j in [3, 4] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{{ loop }}
{{ loop.index }}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(n=0, found=false) %}{% for i in [1, 2, 3] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }} {{ ns.found }} {{ ns.nothing is defined }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.c = [1] %}{{ ns.c }}{{ ns['a'] }}
{% set ns = namespace() %}{% set ns._x = 1 %}{{ ns._x }}
{% set ns = namespace(_x=1) %}{{ ns._x }}
{% set x = {} %}{% set x.a = 1 %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set t = 1, 2 %}{{ t }}
{% set a, b = [1] %}{{ a }}
{% set x %}  a {{ 1 + 1 }} b{% endset %}[{{ x }}] {% set y | upper %}abc{% endset %}{{ y }} {% set z | trim | length %} ab {% endset %}{{ z }}
{% set messages = messages[1:] %}{{ messages | length }} {{ messages[0].role }}
{% if false %}{% set x = 1 %}{% endif %}{{ x }}|{% if true %}{% set y = 2 %}{% endif %}{{ y }}
{% if 1 == 2 %}a{% elif 1 == 1 %}b{% else %}c{% endif %} {% if [] %}x{% else %}y{% endif %}{% if 0.0 %}x{% endif %}{% if {'a': 0} %}z{% endif %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}| {% with %}{% set q = 3 %}{{ q }}{% endwith %}{{ q }}
{% with a = 1, b = a %}{{ b }}{% endwith %}|
{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(1, c='z') }}{{ f(a=9, b=8) }}{{ f() }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}
{% macro f(a) %}{{ a }}{{ varargs | length }}{% endmacro %}{{ f(1, 2, 3) }}
{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}
{% macro f() %}{% for i in [1, 2] %}{{ caller(i) }},{% endfor %}{% endmacro %}{% call(x) f() %}[{{ x }}]{% endcall %}
{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro f(a, b) %}{{ f.name }} {{ f.arguments }} {{ f.catch_varargs }}{{ f.catch_kwargs }}{{ f.caller }}{% endmacro %}{{ f() }}
{% macro f(x) %} {{ x }} {% endmacro %}[{{ f('a') | trim }}] {{ f('b') ~ '!' }} {{ f('ab') | upper }} {{ f('q') == ' q ' }}
{% set g = 1 %}{% macro f() %}{{ g }}{% endmacro %}{{ f() }}{% set g = 2 %}{{ f() }}
{% macro f() %}{% set inner = 5 %}{{ inner }}{% endmacro %}{{ f() }}{{ inner }}|
{{ g() }}{% macro g() %}x{% endmacro %}
{% macro f(a=messages[0].role) %}{{ a }}{% endmacro %}{{ f() }} {% macro h(a, b=a) %}{{ b }}{% endmacro %}{{ h(4) }}
{% generation %}answer {{ 1 }}{% endgeneration %}!
{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.role }}{% endif %}{% endfor %}
a {%- generation -%} b {%- endgeneration -%} c
{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}|
{% for i in [1, 2] %}{% generation %}{{ loop.index }}{% endgeneration %}{% endfor %}
{% set ns = namespace(n=1) %}{% generation %}{% set ns.n = 2 %}{% endgeneration %}{{ ns.n }}
{% generation %}x
{% endgeneration %}
{% for i in [1, 2] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% set generation = 3 %}{{ generation }} {{ '{% generation %}' }} {# {% generation %} #}
{% raw %}{{ x }} {% generation %}{% endraw %} {{ '{{' }} {{ "{%" }}
{# comment #}a{# {{ x }} #}b{#- c -#} d
  {%- set x = 1 -%}  a   {{- x -}}   b  {%+ if true %} c {%+ endif %}
{{ 'a' -}}   b   {{- 'c' }}
{% filter upper %}abc {{ 'x' }}{% endfilter %} {% filter trim | upper %} q {% endfilter %}
{% autoescape false %}{{ '<b>' }}{% endautoescape %}
{% block a %}x{% endblock %}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{% from 'x' import y %}
{% do messages %}
{% trans %}a{% endtrans %}
{% debug %}
{% nothing %}
{% endif %}
{% if true %}a
{% for x in [1] %}
{{ x
{{ }}
{{ 1 + }}
{{ 'a }}
{% set %}
{{ a b }}
{% break %}
{% continue %}
{{ raise_exception('stop') }}
{% if messages[0].role == 'user' %}{{ raise_exception('x') }}{% endif %}ok
{{ raise_exception() }}
{{ strftime_now('%Y') | length }} {{ strftime_now('') }}| {{ strftime_now('%%') }} {{ strftime_now('%d %b %Y') | length }} {{ strftime_now('plain') }}
{{ strftime_now() }}
{{ 'a' 'b' }} {{ 'a' "c" ~ 'd' }}
{{ "\u00e9\x41\t\\\"" }} {{ '\'' }} {{ "a\/b" }} {{ '\d' }}
{{ 1_000 }} {{ 0x1f }} {{ 0b11 }} {{ 0o17 }} {{ 1.5e3 }} {{ 1_0.5 }}
{{ [1, 2,] }} {{ {'a': 1,} }} {{ [] }} {{ {} }} {{ [[], {}] }}
{{ {'a': 1, 'a': 2} }} {{ {1: 'a', 1.0: 'b'} }}
{{ messages[0] }}
{{ messages | map(attribute='content') | map('length') | list }}
{{ bos_token }} {{ eos_token }} {{ pad_token }} {{ unk_token }}|{{ cls_token }}|
{{ add_generation_prompt }} {{ documents }} {{ tools is none }} {{ documents is none }} {{ tools is defined }} {{ enable_thinking is defined }} {{ continue_final_message }}|
{{ messages[0].role.upper().lower()[0] }} {{ (messages[0].content ~ '!').strip('!') }}
{{ 'x'.join(messages | map(attribute='role')) }}
{{ messages == messages[:] }} {{ messages | list == messages }} {{ messages[0] in messages }}
{{ 'a' < 1 }}
{{ -'a' }}
{{ - 5 }} {{ +5 }} {{ --5 }} {{ not not 1 }}
{{ 1 if 0 else 2 if 0 else 3 }} {{ (1, 2) if true }} {{ 'a' if 'a' in 'abc' and not false else 'b' }}
{{ 5 is odd and 4 is even }} {{ not 5 is odd }} {{ 5 is not odd }} {{ 2 + 3 is odd }} {{ 3 * 2 ~ 'a' }} {{ 1 ~ 2 + 3 }} {{ 'a' | upper ~ 'b' | upper }} {{ -1 | abs }} {{ 2 * 3 | string }}
{{ 1 == 1 == 1 }} {{ 1 != 2 }} {{ 2 >= 2 }} {{ 'a' not in 'abc' == false }} {{ 1 in [1] == true }}
{{ [x for x in [1]] }}
{{ lambda: 1 }}
{{ messages[0]['con' ~ 'tent'] }} {{ messages[0]|attr('role') }}|
{{ {'a': 1} | attr('a') }}|
{{ 'a'.__class__ }}
{{ messages.__class__ }}|
{{ ''.__class__.__mro__ }}
{{ messages.0.role }} {{ messages.0 }}
{{ {'a': 1}|list|first }} {{ [1,2]|map('float')|sum }} {{ ['1','2']|map('int')|sum }}
{{ [[1, 2], [3]]|sum(start=[]) }}
{{ 3|string + 'a' }} {{ '5'|int + 1 }} {{ 5|float / 2 }}
{{ 'abc'|replace('b', 1) }} {{ 123|replace('2', 'x') }}
{{ '  a\n'|trim|length }} {{ 'a\u00a0'|trim|length }} {{ '\u200ba'|trim|length }} {{ '\x1fa'.strip()|length }}
{{ '🦙'|length }} {{ '🦙a'[1] }} {{ 'e\u0301'|length }} {{ 'İ'.lower()|length }} {{ 'ŉ'.upper() }} {{ 'ΑΣ'.lower() }} {{ 'ǆ'.title() }}
{{ ['a\u00a0b', '\u200b', '\u0301', '🦙', '\x00', '\u2028', '\\', "'"] }}
{{ ["it's", 'say "x"', "both ' and \""] }}
{{ {'k': "it's"} }} {{ {'t': (1, 'a')} }}
{{ 'a' * 0 }}| {{ 'a' * -1 }}| {{ 3 * 'a' }} {{ true * 'a' }}
{{ 1.0 * 3 }} {{ 7 // 2.0 }} {{ 1 - 0.9 }} {{ 1e2 + 1 }} {{ 3.0 == 3 }} {{ 10 ** 20 }} {{ 10.0 ** 20 }} {{ 10 ** -2 }}
{{ 9007199254740993 }} {{ 9007199254740993.0 }} {{ 123456789012345678901234567890 }}
{{ none ~ none }} {{ [none, true] ~ '' }} {{ ('a', 1.0) ~ '' }} {{ {'a': 1e20} ~ '' }}
{{ messages | first }} {{ (messages | last).role }}
{{ 'a-b_c d'.title() }} {{ "o'neil x1y" | title }} {{ 'hELLO wORLD' | capitalize }}
{{ 'abc' | upper | lower | title }} {{ ('a' | upper) in 'A' }}
{{ [{'a': {'b': 1}}] | map(attribute='a.b') | list }} {{ [[1, 2]] | map(attribute=1) | list }} {{ [{'a': {'b': 2}}] | selectattr('a.b', 'gt', 1) | list | length }}
{{ [1, 2] | batch(1) is string }}
{{ ('a', 'b') | join }} {{ [] | join(',') }}| {{ [[1, 2], 'x'] | join(';') }}
{{ messages | map('attr', 'role') | list }}
{{ messages | rejectattr('tool_calls') | list | length }} {{ messages | selectattr('role', 'ne', 'user') | list | length }}
{{ {'x': 1} | dictsort | first }} {{ {'a': 1, 'b': 2} | dictsort | map('last') | list }}
{{ {'a': 1, 'b': 2}.items() | map('first') | list }} {{ {'a': 1}.items() | first }} {{ {'a': 1, 'b': 2}.values() | sum }} {{ {'a': 1}.keys() | first }} {{ {'a': 1}.keys() | length }} {{ 'a' in {'a': 1}.keys() }}
{% for k, v in {'a': 1, 'b': 2}.items() %}{{ loop.index }}{{ k }}={{ v }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for k, v in tools[0].function.parameters.properties.items() %}{{ k }}: {{ v.type }}{% if v.enum %} {{ v.enum | tojson }}{% endif %}; {% endfor %}
{% for k, v in tools[0].function.parameters.properties | dictsort %}{{ k }}={{ v.type }};{% endfor %}
{{ tools[0].function.parameters.required | join(', ') }} {{ 'city' in tools[0].function.parameters.required }}
{% set tool = tools[0] %}{{ tool.type }} {{ tool['function']['name'] }} {{ (tool.function | tojson)[:20] }}
{% set content = messages[0].content %}{% set content = content ~ '\n' if content else '' %}{{ content }}
{% set role_map = {'user': 'U', 'assistant': 'A'} %}{% for m in messages %}{{ role_map.get(m.role, m.role) }}{{ role_map[m.role] if m.role in role_map }}{% endfor %}
{% set ns = namespace(last=-1) %}{% for m in messages[::-1] %}{% set index = (messages | length - 1) - loop.index0 %}{% if ns.last < 0 and m.role == 'user' %}{% set ns.last = index %}{% endif %}{% endfor %}{{ ns.last }}
{% set loop_messages = messages[1:] if messages[0]['role'] == 'system' else messages %}{% for m in loop_messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{{ m.role }}{% endfor %}
{{ messages|length%2==0 }} {{ (messages|length)-1 }} {{ messages|length-1 }} {{ messages|length * 2 }}
{{'a'}}{%if true%}b{%endif%}{{-'c'-}}
{{ a.b is defined }}
{{ (a.b) | default('z') }}
{{ a | default({}) }} {{ a | default([]) | length }} {{ (a | default({})).b is defined }}
{{ messages[0].get('content') }} {{ messages[0].get('tool_calls') }} {{ messages[0].get('tool_calls', []) | length }} {{ messages[0].items() | list }} {{ messages[0].keys() | join(',') }}
{{ messages[0].content.split('.')[0] }} {{ messages[1].content.strip().startswith('H') }}
{{ messages[1:] | map(attribute='role') | unique | sort | join('/') }}
{% set s = 'a' %}{% set s = s + 'b' %}{% set s = s ~ 1 %}{{ s }}
{% set l = [1] %}{% set l = l + [2] %}{% set l = l + [[3]] %}{{ l }}
{% set d = dict(a=1) %}{% set d = dict(d, b=2) %}{{ d }}
{% set ns = namespace(l=[]) %}{% for m in messages %}{% set ns.l = ns.l + [m.role] %}{% endfor %}{{ ns.l }} {{ ns.l | tojson }}
{% if messages | selectattr('role', 'equalto', 'system') | list %}sys{% endif %}
{% if (messages | selectattr('role', 'equalto', 'tool') | list | length) > 0 %}t{% else %}no{% endif %}
{% if 'system' == messages[0].role and messages[0].content %}S{% endif %}{% if not tools %}n{% endif %}{% if tools %}t{% endif %}{% if tools is not none and tools|length > 0 %}T{% endif %}
{{ True and none }} {{ 'a' and 'b' and 'c' }} {{ none or 0 or [] }} {{ (none or 'd').upper() }}
{{ caller }}|{{ varargs }}|{{ kwargs }}|{{ self }}
{{ [1,2,3][true] }} {{ [1, 2][1.0] }}|
{{ [1, 2]['a'] }}|{{ 'abc'['x'] }}|{{ 5['a'] }}|{{ 5[0] }}|
{{ [1, 2].0 }}
{{ {'a b': 1}['a b'] }} {{ {none: 1}[none] }} {{ {(1, 2): 3}[(1, 2)] }}
{{ {[1]: 2} }}
{{ {'a': 1}['a']['b'] }}|
{{ 'a'.split('a', 'b') }}
{{ 'a'.upper('b') }}
{{ 'a'.replace('b') }}
{{ 'a' | replace('b') }}
{{ 'a' | default }}|{{ nothing | default }}|
{{ 'a' | join(1, 2, 3) }}
{{ 'a' | upper(1) }}
{{ 'a' | trim(chars='a') }}| {{ 'hello'|replace(old='l', new='L') }}
{{ range('a') }}
{{ range(1, 2, 0) }}
{{ 'abc'|first|upper }} {{ ''|first }}| {{ 'abc'|last }}
{{ 3 in 5 }}
{{ 'é' }} {{ 'Привет' | upper }} {{ '你好' ~ '世界' }} {{ 'ñ' | capitalize }} {{ 'ß' | upper }}
{% set α = 1 %}{{ α }}
{% set _x = 1 %}{{ _x }} {% set x1 = 2 %}{{ x1 }} {% set X = 3 %}{{ X }}{{ x }}|
{% set true = 1 %}{{ true }}
{% set loop = 1 %}{{ loop }}
{% set messages.x = 1 %}
{% for i in [1,2,3] %}{{ i }}{{ ',' if not loop.last else '' }}{% endfor %}
{% for i in range(3) if i is odd %}{{ i }}{% endfor %}{% for i in [] %}{% else %}e{% endfor %}
{% for i in (1, 2) %}{{ i }}{% endfor %} {% for i in 1, 2 %}{{ i }}{% endfor %} {% for i in {'a': 1}.values() %}{{ i }}{% endfor %} {% for i in [3,1,2]|sort %}{{ i }}{% endfor %}
{% for i in [1, 2] -%}  {{ i }}  {%- endfor %}
{% if true -%}  a  {%- else -%} b {%- endif %}
{%- if true %} a {% endif -%}  b
{{ "a" if true else }}
{% else %}
{% for %}{% endfor %}
{% macro %}{% endmacro %}
{% set x = %}
{% if %}{% endif %}
{{ 'a' | }}
{{ | upper }}
{{ [1, 2 }}
{{ {'a' 1} }}
{{ f(a=1, 2) }}
{{ 'a,b;c'.replace(',', ';').split(';') | map('upper') | join('+') }} {{ 'x=1&y=2'.split('&') | map('replace', '=', ':') | list }}
{{ 'aXbXc'.split('X', 1)[1] }} {{ 'path/to/file.txt'.rsplit('/', 1)[-1].rpartition('.')[0] }} {{ 'a-b-c'.rsplit('-', maxsplit=1) }}
{{ '%-10s|%+.1f|%05d|%x' % ('ab', 2.345, 42, 255) }} {{ '%3d%%' % 50 }} {{ '%s' % {'a': 1} }} {{ '%s, %s' % (1, none) }}
{{ '%s' % (1,) }} {{ '%s' % ((1, 2),) }} {{ '%(a)s-%(b)05.1f' % {'a': 'x', 'b': 2.25} }} {{ '%.0f %.0f %.0f' % (0.5, 1.5, 2.5) }}
{{ '%s %s' % (1,) }}
{{ '%y' % 1 }}
{{ '%' % 1 }}
{{ '%(a)s' % 1 }}
{{ '{:>8.3f}|{:<8}|{:*^9}|{:+d}|{:08.2f}|{:,.2f}'.format(3.14159, 'ab', 'mid', 5, -3.5, 1234567.891) }}
{{ '{:.0f} {:.1f} {:.2e} {:.3g} {:g}'.format(2.5, 0.25, 123456, 1234.5, 100000.0) }} {{ '{:5}|{:<5}|{:^5}|'.format(1, 2, 3) }} {{ '{:x} {:X} {:o} {:#b}'.format(255, 255, 8, 5) }}
{{ '{0} {1} {0}'.format('a', 'b') }} {{ '{a[b]} {a[c][0]}'.format(a={'b': 1, 'c': [2]}) }} {{ '{!s} {!r:>6}'.format('x', 'y') }} {{ '{:%}'.format(0.5) }}
{{ '{:d}'.format('a') }}
{{ '{:d}'.format(1.5) }}
{{ '{:s}'.format(1) }}
{{ '{:5}'.format(none) }}
{{ '{0} {}'.format(1, 2) }}
{{ '{' }}{{ '}'.format() }}
{{ 'single { brace'.format() }}
{{ 'Hello {name}, {greet}'.format(name='Bo', greet='hi') }} {{ '{:>5}'.format(true) }} {{ '{}'.format(nothing) }}
{{ [1, 2, 3] | map('string') | join(',') }} {{ [3, 1] | sort | first }} {{ ['b', 'a', 'C'] | sort | join }} {{ [{'n': 2}, {'n': 1}] | sort(attribute='n') | map(attribute='n') | join }} {{ [[2, 'b'], [1, 'a']] | sort(attribute=0) | list }} {{ [{'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b') | map(attribute='b') | list }}
{% set m = messages | map(attribute='role') %}{{ m | list }}{{ m | list }}
{% set m = messages | selectattr('role') %}{% for x in m %}{{ x.role }}{% endfor %}{% for x in m %}again{% else %}used{% endfor %}
{{ (messages | map(attribute='role')) is iterable }} {{ (messages | map(attribute='role')) is sequence }} {{ messages | map(attribute='role') | first }}
{{ (messages | map(attribute='role'))[0] }}|
{{ messages | map(attribute='role') | length }}
{{ 'abc' | map('upper') | list }} {{ {'a': 1} | map('upper') | list }} {{ range(3) | map('string') | list }} {{ range(5) | select('even') | list }} {{ range(5) | reject('divisibleby', 2) | list }}
{{ [none, 1, '', 'a', [], [0]] | select | list }} {{ [none, 1, ''] | reject | list }} {{ [1, 'a', 1.5] | select('number') | list }} {{ ['a', 'B'] | select('upper') | list }} {{ ['abc', 'b'] | select('in', 'abcd') | list }}
{{ messages | selectattr('role', 'in', ['user', 'assistant']) | map(attribute='content') | map('trim') | join(' / ') }} {{ messages | rejectattr('role', 'equalto', 'system') | list | length }} {{ messages | selectattr('content', 'string') | list | length }}
{{ [1, 2, 3, 4] | batch(3, 0) | map('sum') | list }} {{ 'abcdef' | batch(4) | map('join') | list }}
{{ 1.0 | string }} {{ 1e100 | string }} {{ 123456789012345678 | string }} {{ 0.1 | string }} {{ 1.0e-10 | tojson }} {{ 3.0 | tojson }} {{ 2.5e20 | int }}
{{ 5 | float }} {{ '5' | float }} {{ 'inf' | float }} {{ 'nan' | float }} {{ '1e3' | float }} {{ '.5' | float }} {{ '1_0.5' | float }} {{ none | float(2.5) }} {{ [] | float }}
{{ [] | int }} {{ [] | int(3) }} {{ '-0b11' | int(0, 2) }} {{ '0o17' | int(0, 8) }} {{ 'z' | int(0, 36) }} {{ '+5' | int }} {{ '5.' | int }} {{ '' | int }} {{ '1__0' | int }} {{ 'inf' | int(9) }}
{{ 'the quick' | title }} {{ 'THE (quick) <brown> {fox} [x]' | title }} {{ "they're bill's".title() }} {{ '3d x2y' | title }} {{ '3d x2y'.title() }} {{ 'ß' | title }} {{ 'ﬁx'.capitalize() }}
{{ 'one  two\tthree\nfour' | wordcount }} {{ '' | wordcount }} {{ 'a_b c-d é' | wordcount }}
{{ 'abc' | center(8) }}| {{ 'abc'.center(8) }}| {{ 'abcd'.center(7, '-') }} {{ 'x'.rjust(3) }} {{ 'x'.ljust(3, '.') }} {{ '-5'.zfill(5) }} {{ '+5'.zfill(5) }} {{ 'é'.zfill(3) }} {{ ''.zfill(2) }}
{{ 'x'.ljust(3, 'ab') }}
{{ 'aaa'.replace('a', 'b', 2) }} {{ 'aaa'.replace('aa', 'b') }} {{ 'abc'.replace('', '-', 2) }} {{ 'abc'.replace('b', '') }} {{ 'aaa' | replace('a', 'b', 0) }}
{{ 'abcabc'.strip('ac') }} {{ 'abcabc'.rstrip('bc') }} {{ '\n\ta \x0b'.strip() }}| {{ 'xyx'.strip('') }} {{ ' a '.strip(none) }}|
{{ 'a1b2'.isalnum() }} {{ 'ab '.isalpha() }} {{ 'é'.isalpha() }} {{ '٣'.isdigit() }} {{ '三'.isnumeric() }} {{ 'Hello World'.istitle() }} {{ 'HELLO 1'.isupper() }} {{ '1'.isupper() }} {{ ' \t\n'.isspace() }} {{ 'a b'.isidentifier() }} {{ 'é'.isascii() }}
{{ 'abc'.find('b', 0, 1) }} {{ 'abc'.find('') }} {{ 'abc'.find('', 5) }} {{ 'abc'.rfind('') }} {{ 'abcb'.rfind('b', -2) }} {{ 'abc'.count('') }} {{ 'a.b.c'.count('.') }} {{ 'abc'.startswith('') }} {{ 'abc'.endswith('c', -1) }} {{ 'abc'.startswith('c', -1) }} {{ 'abc'.startswith('', 5) }}
{{ 'abc'.startswith(['a']) }}
{{ 'a\tbc\td'.expandtabs() }} {{ 'a\tb'.expandtabs(tabsize=2) }} {{ 'a\r\nb\x0bc\x1cd\u2028e'.splitlines() }} {{ ''.splitlines() }} {{ '\n'.splitlines() }} {{ 'a\n'.splitlines(keepends=true) }}
{{ 'abc'.translate({97: 'x', 98: none, 99: 100}) }} {{ 'ab'.translate('ab'.maketrans('ab', 'cd')) }} {{ 'a-b'.translate('x'.maketrans({'-': ' '})) }} {{ '{x}'.format_map({'x': 1}) }}
{{ 'Straße'.casefold() }} {{ 'Straße'.upper() }} {{ 'ÀÉ'.lower() }} {{ 'àé'.swapcase() }} {{ 'ÉCOLE' | capitalize }} {{ 'œuvre' | title }}
{% macro f(a) %}{{ a }}{{ kwargs }}{% endmacro %}{{ f(1, b=2, c='x') }} {{ f(a=3) }}
{% macro f(a, b='d') %}{{ a }}|{{ b }}{% endmacro %}{{ f(b=1, a=2) }} {{ f(1, b=none) }} {{ f(nothing) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}
{% macro outer() %}{% macro inner(x) %}[{{ x }}]{% endmacro %}{{ inner(1) }}{{ inner(2) }}{% endmacro %}{{ outer() }}{{ inner is defined }}
{% macro f(items) %}{% for i in items %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}{% endmacro %}{{ f([1, 2]) }};{{ f([]) }};{{ f('ab') }}
{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) f() %}{{ a }}{{ b }}{% endcall %} {% call(a, b=5, c=a) f() %}{{ a }}{{ b }}{{ c }}{% endcall %}
{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}
{% macro f(x) %}{{ x }}{% set x = 2 %}{{ x }}{% endmacro %}{{ f(1) }}{{ x }}|
{% macro walk(node, d=0) %}{{ '-' * d }}{{ node.n }};{% for c in node.c or [] %}{{ walk(c, d + 1) }}{% endfor %}{% endmacro %}{{ walk({'n': 1, 'c': [{'n': 2, 'c': [{'n': 3}]}, {'n': 4}]}) }}
{% set ns = namespace(x=1) %}{% macro f() %}{% set ns.x = ns.x + 1 %}{% endmacro %}{{ f() }}{{ f() }}{{ ns.x }}
{% set ns = namespace(a=1) %}{{ ns }} {{ ns.a is defined }} {{ ns['a'] }} {{ ns.b }}|
{% for x in [1, 2] %}{% set ns = namespace(v=x) %}{{ ns.v }}{% endfor %}{{ ns is defined }}
{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% continue %}{% endif %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}
{% for i in range(6) %}{% if loop.index is divisibleby 3 %}{{ i }}|{% else %}{{ i }},{% endif %}{% endfor %}
{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %} {% for k in {'b': 1, 'a': 2} | sort %}{{ k }}{% endfor %} {% for p in {'b': 1}.items() %}{{ p }}{{ p[0] }}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for x in [[1, 2], [3, 4]] %}{{ x[0] + x[1] }} {% endfor %} {% for x, y in ['ab', 'cd'] %}{{ y }}{{ x }}{% endfor %}
{% for m in messages | reverse %}{{ m.role }} {% endfor %} {% for m in messages[::-1] %}{{ loop.revindex }}{% endfor %} {% for m in messages[:-1] %}{{ m.role[0] }}{% endfor %}
{% for m in messages %}{% if loop.first %}F{% elif loop.last %}L{% else %}M{% endif %}{{ loop.index0 % 2 }}{% endfor %}
{% for i in [3, 4] recursive %}{{ loop.index }}{{ loop.depth0 }}{% if loop.depth < 3 %}({{ loop([i]) }}){% endif %}{% endfor %}
{% for item in [{'n': 'a', 'c': [{'n': 'b', 'c': []}]}] recursive %}<{{ item.n }}>{% if item.c %}{{ loop(item.c) }}{% endif %}</{{ item.n }}>{% endfor %}
{% for x in [1, 2, 3] if x > 1 %}{{ loop.length }}{{ loop.index }}{{ x }}{% endfor %} {% for x in [1, 2] if x > 5 %}{% else %}none{% endfor %}
{% for x in [1] %}{{ loop is defined }}{% endfor %}{{ loop is defined }} {% for x in [1] %}{{ loop }}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}
{% set x %}{% for i in [1, 2] %}{{ i }}{% endfor %}{% set y = 1 %}{% endset %}{{ x }}{{ y }}|{{ x is string }} {{ x | length }} {{ x ~ 1 }} {{ x == '12' }}
{% if x is defined and x.y is defined %}a{% elif x is not defined %}b{% endif %}{% if not (messages and tools) %}c{% endif %}{% if messages | length > 2 and messages[1].role == 'user' %}d{% endif %}
{% if 'a' in ['a'] and not 'b' in ['a'] %}1{% endif %}{% if 'x' not in 'abc' %}2{% endif %}{% if 1 in (1, 2) %}3{% endif %}{% if 'role' in messages[0] %}4{% endif %}{% if none in [none] %}5{% endif %}
{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'].strip() %}{% set messages = messages[1:] %}{% else %}{% set system_message = '' %}{% endif %}{{ system_message }}{{ messages | length }}
{{ (1, 2) + (3,) }} {{ (1, 2)[0] }} {{ (1, 2) | length }} {{ (1, 2) == [1, 2] }} {{ 1, 2 }} {{ (1) }} {{ ((1,),) }}
{{ {'a': {'b': [1, {'c': 2}]}}.a.b[1].c }} {{ {'a': 1} == {'a': 1.0} }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ {} == [] }} {{ [1, [2]] == [1, [2]] }} {{ 'a' == none }} {{ 1 != '1' }}
{{ 3 > 2 > 1 }} {{ 3 > 2 == 2 }} {{ 1 < 2 and 2 < 3 }} {{ not 1 == 2 }} {{ (not 1) == false }} {{ 1 == true }} {{ 0 == false }} {{ '' == false }} {{ none is none and not none }}
{{ -3 // 2 }} {{ -3 % 2 }} {{ 3 % -2 }} {{ 3.5 % -2 }} {{ -0.0 }} {{ 0.0 == -0.0 }} {{ 7 / 7 }} {{ 2 ** 0.5 }} {{ 4 ** 0.5 }} {{ (-8) ** 2 }} {{ 1e308 * 10 }} {{ 10 % 3.5 }}
{{ 10.0 ** 400 }}
{{ 0 ** -1 }}
{{ 'a' - 'b' }}
{{ [1] - [1] }}
{{ {} + {} }}
{{ 'a' / 2 }}
{{ none + none }}
{{ 'a' * 1.5 }}
{{ [1] < ['a'] }}
{{ {} < {} }}
{{ 'abc'[1:2] }} {{ 'abc'[-2:] }} {{ 'abc'[:100] }} {{ 'abc'[2:1] }}| {{ 'abcdef'[1:5:2] }} {{ 'abcdef'[::-2] }} {{ [1, 2, 3][-100:100] }} {{ [1, 2, 3][:] }} {{ 'abc'[none:2] }} {{ range(10)[2:5] }} {{ range(10)[::3] | list }}
{{ [1, 2, 3][::0] }}
{{ 'abc'[1.0] }}| {{ [1, 2][none] }}| {{ {'a': 1}[none] }}| {{ {'a': 1}[[1]] }}|
{{ "it's" ~ 'a "quote"' }} {{ ["a'b\"c"] }} {{ ['\t\n\r\\'] }} {{ ['\x1b\x7f\u200d\ufeff'] }} {{ ['é', '世', '🦙', '\U0001F600'] }} {{ '\101\x41\u0041' }}
{{ {'a': 'x\ny'} | string }} {{ {'k': [none, true, 1.5, (1, 2)]} | string | length }} {{ {1: {2: {3: 4}}} }} {{ [[], (), {}, ''] }}
{{ '\u12' }}
{{ 'é\é' }}
{{ 'a' if messages else 'b' }} {{ 'a' if not messages else 'b' if tools is defined else 'c' }} {{ ('a' if false else 'b') ~ 'c' }} {{ [1 if true else 2, 3] }} {{ {'a': 1 if false else 2}.a }}
{{ messages[0].content if messages[0].content is defined else '' }} {{ messages[0].name if messages[0].name else 'anon' }} {{ messages[0].name or 'anon' }} {{ messages[0]['name'] | default('anon') }}
{{ messages | length }}{{ messages|length }}{{messages|length}} {{ messages | length == 3 }} {{ (messages | length) % 2 }} {{ messages[(messages | length) - 1].role }} {{ messages[messages | length - 1].role }}
{% set parts = messages[0].content.split(' ') %}{{ parts[0] }} {{ parts | length }} {{ parts[-1] }} {{ parts[1:] | join('_') }}
{% set text = 'a<think>b</think>c' %}{% set before, sep, after = text.partition('</think>') %}{{ before }}|{{ after }} {{ text.split('</think>')[-1].lstrip() }} {{ text.index('<think>') }} {{ text[text.find('<think>') + 7:] }}
{% set a = [1, 2] %}{% set b = a + [3] %}{{ a }}{{ b }} {% set c = a * 2 %}{{ c }} {% set d = a[:] %}{{ d == a }}
{% set x = 5 %}{% set x = x + 1 if x > 3 else x %}{{ x }} {% set y = (1 if true) %}{{ y }} {% set z = 'a' 'b' %}{{ z }}
{% set x | replace('a', 'b') | upper %}banana{% endset %}{{ x }} {% filter replace('a', 'o') %}banana{% endfilter %} {% filter upper | lower | title %}ab cd{% endfilter %}
{% with x = 1 %}{% with x = 2, y = x %}{{ x }}{{ y }}{% endwith %}{{ x }}{% endwith %}{{ x is defined }}
{% print 'a' %} {% print 1, 2 %}
{% if false %}{% break %}{% endif %}
{% for x in [] %}{% else %}{% break %}{% endfor %}
{% for x in [1, 2] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}
{% for x in [1, 2] %}{% set y %}a{% if x == 1 %}{% continue %}{% endif %}{% endset %}{{ x }}{{ y }}{% endfor %}
{% for x in [1, 2] %}{% filter upper %}a{% break %}{% endfilter %}{% endfor %}b
{% for x in [1] %}{% set loop = 2 %}{% endfor %}
{% for x in [1] %}{% with %}{% set loop = 2 %}{% endwith %}{% endfor %}
{% for loop in [1] %}{{ loop }}{% endfor %}
{% filter length %}abc{% endfilter %}
{% for x in [1, 2] %}{% for y in [] %}{% else %}{% continue %}{% endfor %}{{ x }}{% endfor %}|
{% raw %}{% if x %}{{ y }}{# z #}{% endraw %}{%- raw -%}  a  {%- endraw %} b
{%- for m in messages %}
{{ 'a' }}{# c1 #}{# c2 -#}   {{ 'b' }}{#- c3 -#}   {{ 'c' }}
{{ 1 }}{{ 2 }}  {{- 3 -}}  {{ 4 }}  {%- if true -%}  5  {%- endif -%}  6
{{ "{{ not }}" }} {{ '{#' }} {{ '#}' }} {{ '%}' }} {{ '{%' ~ '%}' }}
{{ '\\n' }} {{ '\n' | length }} {{ "\"" }} {{ '\'' }} {{ "a\
b" }}
{{ tools | map(attribute='function.name') | join(', ') }} {{ tools | map(attribute='function') | map(attribute='description') | first }} {{ tools | length }} {{ tools[0].function.parameters | tojson(indent=2) }}
{{ tools | selectattr('function.name', 'equalto', 'weather') | list | length }} {{ tools[0]['function']['parameters']['properties'].keys() | list }} {{ tools[0].function.parameters.properties.days.default }} {{ tools[0].function.parameters.properties.days.enum }}
{% for tool in tools %}{{ tool | tojson(separators=(',', ':'), sort_keys=true) }}{% endfor %} {% for name, p in tools[0].function.parameters.properties | items %}{{ name }}: {{ p.type | upper }}{{ ' (' ~ p.description ~ ')' if p.description }}; {% endfor %}
{{ [1, [2, {'a': [3]}]] | tojson(indent=1) }} {{ {'a': [], 'b': {}} | tojson(indent=2) }} {{ [1, 2] | tojson(separators=('; ', '=')) }} {{ {'é': 'ü'} | tojson(ensure_ascii=true) }} {{ '\u2028\x1f\x7f</script>' | tojson }} {{ '\x7f' | tojson(ensure_ascii=true) }}
{{ [true, false, none, 1, -1, 1.5, 1e20, 1e-7, 123456789012345678901] | tojson }} {{ {true: 1, none: 2, 3: 4, 1.5: 6} | tojson }} {{ (1, (2,)) | tojson }} {{ 'a"b\\c' | tojson }}
{{ {(1, 2): 3} | tojson }}
{{ namespace(a=1) | tojson }}
{{ [messages | map('upper')] | tojson }}
{{ 1 | tojson(separators=',') }}
{{ {'b': 1, 'B': 2, 'a': 3} | tojson(sort_keys=True) }} {{ {'b': 1, 'B': 2, 'a': 3} | dictsort | tojson }} {{ {2: 'a', 10: 'b'} | tojson(sort_keys=true) }}
{{ 'x' | tojson(nothing=1) }}
{{ dict(a=1, **{'b': 2}) }} {{ dict([['a', 1], ('b', 2)]) }} {{ dict(messages[0]) == messages[0] }} {{ dict(a=1).items() | list }} {{ dict({'a': 1}, a=2) }}
{{ range(2, 10, 4) | list }} {{ range(3) | join }} {{ range(3) | sum }} {{ range(3) | last }} {{ range(-3, 0) | list }} {{ 5 in range(3) }} {{ range(0, 10, 3) }} {{ range(3) == range(0, 3) }} {{ range(3)[-1] }}
{{ range(100001) | length }}
{{ range(1.5) }}
{{ range() }}
{{ messages.append(1) }}
{{ messages.append }}|
{{ messages[0].update({'a': 1}) }}
{{ messages[0].items() | length }}
{{ nothing.items() }}
{{ nothing is defined and nothing.x }} {{ nothing is not defined or nothing.x }} {{ (nothing | default({})).x is defined }} {{ messages[0].tool_calls | default([]) | length }}
{{ nothing.x is defined }}
{{ nothing[0] is defined }}
{{ messages[0].x.y is defined }}
{{ messages[0].x is defined and messages[0].x.y is defined }} {{ not messages[0].x }} {{ messages[0].x | default('d') }} {{ messages[0].x ~ 'z' }} {{ messages[0].x == messages[0].y }} {{ messages[0].x | list }} {{ messages[0].x | join(',') }}|
{{ nothing | int }}
{{ nothing | float }}
{{ nothing | indent }}
{{ 1 | indent }}
{{ none | map('upper') | list }} {{ none | select | list }} {{ 0 | map('upper') | list }}
{{ 1 | truncate }}
{{ none | trim }} {{ none | title }} {{ 1 | wordcount }} {{ 1 | center(4) }}| {{ 1 | replace(1, 2) }} {{ 'x' | int(none) }} {{ 5 | format }}
{% set x = none %}{{ x[1:] }}
{% set x = 'abc' %}{{ x['a':] }}
{{ messages[0][1:] }}
{{ nothing[1:] }}
{{ 'a' is odd }}
{{ 1 is filter }} {{ 5 is in nothing }} {{ nothing is eq nothing }}
{{ messages[0] | length }} {{ messages[0] | list }} {{ messages[0] | first }} {{ messages[0] | last }} {{ messages[0] | join(',') }} {{ messages[0] | map('upper') | list }}
{{ nothing | abs }}
{{ nothing | first }}|{{ nothing | list }}|{{ nothing | sort }}|{{ nothing | sum }}|{{ nothing | string }}|{{ nothing | map('upper') | list }}|{{ nothing | unique | list }}|{{ nothing | reverse | list }}
{{ nothing | replace('a', 'b') }}|{{ nothing | title }}|{{ nothing | wordcount }}|{{ nothing | e }}|{{ nothing | count }}
{{ -nothing }}
{{ not nothing.x }}
{{ nothing in [1] }} {{ nothing in [nothing] }} {{ nothing in messages[0] }} {{ [nothing] | length }} {{ nothing or 'x' }} {{ nothing and 'x' }} {{ nothing if nothing else 'y' }}
{{ [1, 2, 3] | nothing_filter }}
{% if false %}{{ 1 | nothing_filter }}{% endif %}ok
{% if false %}{{ 1 is nothing_test }}{% endif %}ok
{% if false %}{% for i in [] %}{{ 1 | nothing_filter }}{% endfor %}{% endif %}ok
{% for i in [] %}{{ 1 | nothing_filter }}{% endfor %}ok
{{ 'a' if true else ('b' | nothing_filter) }}
{% macro f() %}{{ 1 | nothing_filter }}{% endmacro %}ok
{% if false %}{% include 'x' %}{% endif %}ok
{% if false %}{{ raise_exception('x') }}{% endif %}{{ raise_exception is defined }} {{ raise_exception is callable }} {{ strftime_now is defined }}
{{ raise_exception(1) }}
{{ raise_exception('a', 'b') }}
{{ undefined_function('x') }}
{{ messages() }}
{{ 'abc'() }}
{{ 1.5.real }} {{ 5 .real }} {{ (5).bit_length() }} {{ (2.0).is_integer() }} {{ true.real }}
{{ True }} {{ TRUE }}| {{ Null }}| {{ null }}| {{ nil }}| {{ undefined }}|
{{ loop.first }}
{{ 2 if 1 else 3 if 0 else 4 }} {{ 1 + 2 if true else 5 }} {{ 'x' ~ ('y' if false) ~ 'z' }} {{ [1, 2][0 if true else 1] }}
{{ 'a' 'b' | upper }} {{ ('a' ~ 'b') | upper }} {{ 'a' ~ 'b' | upper }} {{ 1 + 2 | string | length }} {{ (1 + 2) | string }} {{ 2 * 3 | float }} {{ -1 | abs + 1 }} {{ not 'a' | length }}
{{ 'a'.upper().lower() | title ~ 'x' }} {{ ('a' | upper).lower() }} {{ 'a b'.split()[0] }} {{ 'a b'.split() | last | upper }} {{ messages[0].content.split()[0] | lower }}
{{ 5 is number and 5 is not string }} {{ 'a' is string or false }} {{ 5 is divisibleby(5) }} {{ 5 is not divisibleby 2 }} {{ [] is not mapping }} {{ 'a' is not none }} {{ 1 is in([1, 2]) }} {{ 3 is not in [1] }} {{ 1.0 is integer }} {{ 1 is float }} {{ none is defined }}
{{ 1 is odd is true }}
{{ 'a' is eq('a') }} {{ 1 is == 1 }}
{{ 1 is sameas true }} {{ true is sameas true }} {{ none is sameas none }} {{ 300 is lt 400 }} {{ 'b' is gt 'a' }} {{ 1 is ge 1 }} {{ 1 is le(0) }}
{{ 'a' is lower }} {{ 'A1' is upper }} {{ '1' is lower }} {{ 'odd' is test }} {{ 'xx' is test }} {{ 'tojson' is filter }} {{ messages is callable }} {{ range is callable }} {{ 'a'.upper is callable }}
{{ dict(a=1, a=2) }}
{{ dict(**{'a': 1}) }} {{ dict(*[[('b', 2)]]) }}
{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 3, 'b': 4}) }}{{ f(*[1], **{'b': 2}) }}
{{ 1 // 2 * 2 + 7 % 4 - 3 }} {{ (1 + 2) * 3 }} {{ 2 + 3 * 4 ** 2 }} {{ 100 - 10 - 5 }} {{ 2 * 3 % 4 }}
{{ 1.0 // 0.3 }} {{ 5.5 | int }} {{ -5.5 | int }} {{ 1e3 | int }} {{ 1e30 | int }} {{ '1e3' | int }} {{ '1_000' | int }} {{ '12abc' | int }}
{{ 0.1 + 0.7 }} {{ 1.1 * 3 }} {{ 100000000000000000000.0 }} {{ 1234567890123456.7 }} {{ 5e-324 }} {{ 2.0 ** 0.5 }}
{{ '%.17g' % 0.1 }} {{ '%5.1f|' % 2.25 }} {{ '%e' % 0 }} {{ '%g' % 1e10 }} {{ '%s' % 1e20 }} {{ '%r' % 'x' }} {{ '%r' % [none] }} {{ '%a' % 'é' }} {{ '%*d' % (5, 3) }}
{{ '{:d}'.format(3) }} {{ '{:s}'.format('a') }} {{ '{:>{w}}'.format('a', w=4) }} {{ '{0!s:>5}'.format(1) }} {{ '{a.b}'.format(a=1) }}
{{ '{:+.1e}'.format(12345.678) }} {{ '{:g}'.format(1e-7) }} {{ '{:_}'.format(1000000) }} {{ '{:#x}'.format(255) }} {{ '{:c}'.format(65) }} {{ '{:.3}'.format('abcdef') }} {{ '{:010.3f}'.format(-3.14159) }}
""".strip("\n").split("\n")
