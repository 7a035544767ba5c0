"""Small templates about texts that are marked as safe, and filters made for HTML. `dump.py` renders them with transformers."""

MARKUP = r"""
{{ ('<b>' | safe) + '<i>' }} {{ '<i>' + ('<b>' | safe) }} {{ ('<b>' | e) + '<i>' }} {{ ('&' | escape) + ('&' | forceescape) }}
{{ ('<b>' | safe) ~ '<i>' }} {{ '<i>' ~ ('<b>' | e) ~ 1 }} {{ (('<b>' | safe) ~ '<i>') + '&' }}
{{ ('<b>%s</b>' | safe) % '<i>' }} {{ ('<b>%s</b>' | safe) % ('<i>',) }} {{ ('%s %s' | safe) % ('<', '&') }}
{{ ('%(a)s' | safe) % {'a': '<'} }} {{ ('%(a)r|%(b)5s|' | safe) % {'a': '<', 'b': 1} }}
{{ ('%s' | safe) % ('<' | safe) }} {{ ('%s' | safe) % ['<', 1] }} {{ ('%r' | safe) % '<\'' }} {{ ('%a' | safe) % 'é<' }}
{{ ('%d' | safe) % 5 }} {{ ('%d' | safe) % '7' }} {{ ('%5.1f' | safe) % '2.25' }} {{ ('%i' | safe) % 3.9 }} {{ ('%03d' | safe) % 7 }} {{ ('%e' | safe) % 1 }}
{{ ('%x' | safe) % 5 }}
{{ ('%c' | safe) % 'a' }}
{{ ('%*d' | safe) % (5, 3) }}
{{ ('%d' | safe) % 'x' }}
{{ ('%s' | safe) % (1, 2) }}
{{ ('%s' | safe) % () }}
{{ ('%s' | safe) % nothing }}|{{ ('%s' | safe) % none }}|{{ ('%.3s' | safe) % '<abc' }}|{{ ('%10s|' | safe) % '<' }}
{{ ('%%' | safe) % () }} {{ ('a' | safe) % {} }} {{ ('a' | safe) % [] }}
{{ '%s' % ('<' | safe) }} {{ ('%s' % ('<' | safe)) + '<' }} {{ '%r' % ('<' | safe) }} {{ '%s' | format('<' | e) }}
{{ '%s <' | safe | format('<') }} {{ '%(x)s' | e | format(x='&') }} {{ '<%s>' | e | format('<') }}
{{ ('<' | safe).join(['<', 1, '&' | safe]) }} {{ '<'.join(['&' | safe, '&']) }} {{ ['<', '&' | safe] | join('<' | safe) }} {{ (['<'] | join('<' | safe)) + '<' }}
{{ '<'.join([1]) }}
{{ ('a<b' | safe).replace('<', '<<') }} {{ ('a<b' | safe) | replace('<', '<<') }} {{ ('aXb' | e).replace('X', '&' | safe) }} {{ ('aaa' | safe).replace('a', '<', 2) }}
{{ (('a<b' | safe) | replace('a', '<')) + '<' }}
{{ ('ab' | safe).upper() + '<' }} {{ ('AB' | safe).lower() + '<' }} {{ ('ab cd' | safe).title() + '<' }} {{ ('ab' | safe).capitalize() + '<' }} {{ ('aB' | safe).swapcase() + '<' }} {{ ('aB' | safe).casefold() + '<' }}
{{ ('ab' | safe | upper) + '<' }} {{ ('AB' | safe | lower) + '<' }} {{ ('ab cd' | safe | title) + '<' }} {{ ('ab' | safe | capitalize) + '<' }} {{ (' ab ' | safe | trim) + '<' }} {{ ('ab' | safe | center(6)) + '<' }}
{{ ('ab' | safe | string) + '<' }} {{ ('ab' | safe | safe) + '<' }} {{ ('<' | safe | e) + '<' }} {{ ('<' | safe | forceescape) + '<' }} {{ ('<' | e | e | e) }} {{ '<' | e | forceescape }}
{{ ('abc' | safe)[0] + '<' }} {{ ('abc' | safe)[1:] + '<' }} {{ ('abc' | safe)[::-1] + '<' }} {{ ('abc' | safe | first) + '<' }} {{ ('abc' | safe | last) + '<' }} {{ ('abc' | safe | reverse) + '<' }}
{{ ('abc' | safe)[-1] + '<' }} {{ (('abc' | safe) | list)[0] + '<' }} {% for c in 'ab' | safe %}{{ c + '<' }}{% endfor %}
{{ ('abc' | safe) * 2 + '<' }} {{ 2 * ('a' | safe) + '<' }}
{{ 'a b' | safe | replace(' ', '_') }} {{ ('a b' | safe).split() }} {{ ('a,b' | safe).split(',')[0] + '<' }} {{ ('a,b' | safe).rsplit(',', 1)[1] + '<' }} {{ ('a\nb' | safe).splitlines() }}
{{ ('a=b' | safe).partition('=') }} {{ ('a=b' | safe).rpartition('=')[2] + '<' }} {{ ('a=b' | safe).partition('x') }}
{{ (' a ' | safe).strip() + '<' }} {{ ('xax' | safe).lstrip('x') + '<' }} {{ ('xax' | safe).rstrip('x') + '<' }} {{ ('a' | safe).zfill(3) + '<' }} {{ ('a\tb' | safe).expandtabs(2) + '<' }}
{{ ('a' | safe).ljust(3) + '<' }} {{ ('a' | safe).rjust(3, '-') + '<' }} {{ ('a' | safe).center(5, '*') + '<' }}
{{ ('a' | safe).ljust(3, '<') }}
{{ ('prefix' | safe).removeprefix('pre') + '<' }} {{ ('fix' | safe).removesuffix('x') + '<' }}
{{ ('<{}>' | safe).format('<') }} {{ ('{a}' | safe).format(a='&') }} {{ ('{0}{0}' | safe).format('<' | safe) }} {{ ('{:>5}' | safe).format('<') }} {{ ('{!r}' | safe).format('<') }}
{{ ('{:>5}' | safe).format('<' | safe) }}
{{ ('{!s:>5}' | safe).format('<' | safe) }} {{ ('{a}' | safe).format_map({'a': '<'}) }} {{ '{}'.format('<' | safe) + '<' }} {{ ('{}' | safe).format(1) + '<' }} {{ '{:>4}|'.format('a' | safe) }}
{{ ('{:{w}}' | safe).format('<', w=4) }} {{ ('{0.role}' | safe).format(messages[0]) }} {{ ('{0[content]}' | safe).format(messages[0]) }}
{{ ('{:{a}5}' | safe).format('x', a='<') }}
{{ ('a' | safe).encode is defined }} {{ ('&lt;' | safe).unescape() }} {{ ('<b>a</b>  c' | safe).striptags() }} {{ ('a' | safe).escape('<') }} {{ ('a' | safe).nothing is defined }}
{{ '<' | safe is escaped }} {{ '<' is escaped }} {{ 1 is escaped }} {{ ('<' | e) is escaped }} {{ ('<' | e) is string }} {{ ('a' | safe) is lower }} {{ ('a' | safe) in ['a'] }} {{ 'a' in ('abc' | safe) }}
{{ ('a' | safe) == 'a' }} {{ ('a' | safe) < 'b' }} {{ {'a': 1}['a' | safe] }} {{ {('a' | safe): 1}['a'] }} {{ ['a' | safe, 'a'] | unique | list }} {{ ('a' | safe) is eq 'a' }} {{ ('a' | safe) is sameas true }}
{{ ['<' | safe] }} {{ {'a': '<' | e} }} {{ ('<' | safe,) }} {{ ['<' | safe] | string }} {{ ['<' | e] | tojson }} {{ ('<' | e) | tojson }} {{ {'a' | safe: 1} | tojson }}
{{ ('a' | safe) | length }} {{ ('a b' | safe) | wordcount }} {{ ('5' | safe) | int + 1 }} {{ ('5.5' | safe) | float }} {{ ('a b' | safe) | urlencode }} {{ ('a b' | safe | urlencode) + '<' }}
{{ 'a\nb' | safe | indent }}|{{ ('a\nb' | safe | indent(2, true)) + '<' }}|{{ ('a\nb' | safe) | indent('<') }}
{{ 'abcdef ghijkl' | safe | truncate(8, end='<', leeway=0) }} {{ ('abc' | safe | truncate(8)) + '<' }} {{ 'ab<def ghijkl' | truncate(8, end='&' | safe, leeway=0) }} {{ ('abcdef ghijkl' | safe | truncate(8, true, '<', 0)) + '<' }}
{{ nothing | safe }}|{{ (nothing | safe) + '<' }}|{{ none | safe }}|{{ (1 | safe) + '<' }}|{{ (1 | e) + '<' }}|{{ [('<')] | e }}|{{ ([1] | safe) + '<' }}
{{ ('a' | safe) + 1 }}
{{ 1 + ('a' | safe) }}
{{ ('a' | safe) + nothing }}
{{ ('a' | safe) - 'b' }}
{{ ('a' | safe) + ['b'] }}
{{ ['<', '&'] | map('e') | list }} {{ ['<'] | map('safe') | map('upper') | join }} {{ ['<', '&' | safe] | select('escaped') | list }}
{{ ['b' | safe, 'a'] | sort }} {{ ['b' | safe, 'a'] | max }} {{ ['b' | safe, 'a'] | map('upper') | list }} {{ [{'k': 'a' | safe}, {'k': 'a'}] | groupby('k') }}
{{ {'b' | safe: 1, 'a': 2} | dictsort }} {{ {'a' | safe: '<'} | items | list }}
{% set x %}<{{ '<' | e }}{% endset %}{{ x + '<' }} {{ x is escaped }}
{% set x | e %}<{% endset %}{{ x + '<' }} {% set y | safe %}<{% endset %}{{ y + '<' }}
{% macro f(a) %}<{{ a }}>{% endmacro %}{{ f('<') + '<' }} {{ f('<' | e) + '<' }} {{ f('<') | e }} {{ f('a') is escaped }}
{% filter e %}<{{ '<' | safe }}{% endfilter %} {% filter safe %}<{% endfilter %}
{% call(x) f() %}<{{ x }}{% endcall %}{% macro f() %}{{ caller('<' | e) + '<' }}{% endmacro %}
{% macro f() %}{{ caller('<' | e) + '<' }}{% endmacro %}{% call(x) f() %}<{{ x + '<' }}{% endcall %}
{{ ('a' | safe or 'b') + '<' }} {{ ('' | safe) or 'x' }} {{ not ('' | safe) }} {{ ('x' if '' | safe else 'y') }} {{ ('a' | safe | default('b')) + '<' }} {{ ('' | safe | default('<', true)) + '<' }}
{{ ('%s' | safe) % namespace(a=1) is string }} {{ (('a' | safe) | attr('upper'))() + '<' }} {{ ('abc' | safe).find('b') }} {{ ('abc' | safe).isalpha() }} {{ ('abc' | safe).startswith('a' | safe) }} {{ 'abc'.startswith('a' | safe) }} {{ 'abc'.replace('a' | safe, '<' | safe) + '<' }}
{{ 'a'.join(('xy' | safe)) }} {{ ('<' | safe).join('ab') }} {{ ('-' | safe).join([none, 1, nothing]) }} {{ 'abc'.strip('a' | safe) + '<' }} {{ 'a,b'.split(',' | safe) }} {{ 'a'.center(3, '-' | safe) + '<' }}
{{ messages[0]['role' | safe] }} {{ messages | map(attribute='role' | safe) | list }} {{ messages[0] | attr('x' | safe) is defined }}
{{ 5 | e }} {{ true | e + '<' }} {{ none | e }} {{ 1.5 | forceescape }} {{ [1, '<'] | forceescape }} {{ nothing | forceescape }}|{{ (nothing | e) + '<' }}
{{ '\'"<>&' | e }} {{ 'é\x00' | e }} {{ '&amp;' | e }} {{ '&#39;' | safe | forceescape }}
{{ range(3) | e }} {{ {'a': '<'} | e }} {{ {'a': '<'}.items() | e }} {{ ('a', '<') | safe + '<' }}
{{ '<p>a  b</p>' | striptags }} {{ ' a <!-- <b> --> c ' | striptags }} {{ '<a' | striptags }} {{ 'a > b' | striptags }} {{ '<b>x</b>&lt;&amp;&gt;' | striptags }} {{ 1 | striptags }} {{ '<!-- a' | striptags }} {{ '<b' | safe | striptags }} {{ ('<b>&lt;' | striptags) + '<' }}
{{ '&#65;&#x42;&quot;&#39; & c' | striptags }} {{ nothing | striptags }}| {{ '<><>a' | striptags }} {{ '<!--->a-->b' | striptags }} {{ '&' | striptags }} {{ 'a<b>c\n\td' | striptags }}
{{ {'a': 1, 'b': '<', 'c': none, 'd': nothing} | xmlattr }}|{{ {'a': 1} | xmlattr(false) }}|{{ {} | xmlattr }}|{{ {'a': none} | xmlattr }}|{{ {'<a': '"' | safe, 'b': true} | xmlattr(autospace=true) }}|{{ ({'a': '<'} | xmlattr) + '<' }}
{{ {'a b': 1} | xmlattr }}
{{ {'a/': 1} | xmlattr }}
{{ {'a=': none} | xmlattr }}
{{ {1: 2} | xmlattr }}
{{ [1] | xmlattr }}
{{ nothing | xmlattr }}
{{ 'a b c d' | wordwrap(3) }}|{{ 'hello wonderful world' | wordwrap(7) }}|{{ 'hello wonderful' | wordwrap(5, false) }}|{{ 'a b c' | wordwrap(1, wrapstring='|') }}|{{ 'well-known word' | wordwrap(6) }}|{{ 'well-known word' | wordwrap(6, break_on_hyphens=false) }}
{{ 'a\n\nb c d' | wordwrap(3) }}|{{ 'a   b    c' | wordwrap(4) }}|{{ '   lead' | wordwrap(5) }}|{{ '' | wordwrap }}|{{ ('x' * 100) | wordwrap }}|{{ ('xy ' * 50) | wordwrap(20, true, '/') }}
{{ 'a--b ccc--ddd' | wordwrap(4) }}|{{ 'foo-bar-baz 1-2-3 x-y' | wordwrap(5) }}|{{ 'long-hyphenated-word' | wordwrap(5) }}|{{ '--option --flag=x' | wordwrap(8) }}|{{ 'Zürich-Öst straße' | wordwrap(8) }}|{{ 'a\tb\tc' | wordwrap(3) }}|{{ 'end.--Then "x--y"' | wordwrap(5) }}
{{ 'a b' | wordwrap(0) }}
{{ 1 | wordwrap(3) }}
{{ nothing | wordwrap }}
{{ 'ab cd' | safe | wordwrap(2) }} {{ ('ab<cd ef' | wordwrap(4, wrapstring='<br>' | safe)) + '<' }} {{ ('ab cd' | safe | wordwrap(2)) + '<' }}
{{ 'aaa-bbb-' | wordwrap(4) }}|{{ 'a-b' | wordwrap(2) }}|{{ 'ab-cd' | wordwrap(3) }}|{{ 'ab-cd' | wordwrap(2) }}|{{ 'ab-c-d-ef' | wordwrap(4) }}|{{ '1ab-cd x_y-zz' | wordwrap(4) }}|{{ 'a - b -- c' | wordwrap(3) }}|{{ 'aaaaaaaa-bbbb' | wordwrap(5) }}
{{ 'see http://example.com x' | urlize }} {{ 'www.example.com.' | urlize }} {{ '(http://a.com/b(c))' | urlize }} {{ 'me@example.com, you' | urlize }} {{ 'mailto:me@example.com' | urlize }} {{ 'example.org <x>' | urlize }}
{{ 'http://example.com/abcdefgh' | urlize(10) }} {{ 'http://a.com' | urlize(nofollow=true) }} {{ 'http://a.com' | urlize(target='_blank') }} {{ 'http://a.com' | urlize(rel='b a') }} {{ 'tel:123 x' | urlize(extra_schemes=['tel:']) }} {{ ('http://a.com' | urlize) + '<' }}
{{ 'https://127.0.0.1:8000/x?y=1&z=2#a' | urlize }} {{ 'http://[::1]/x' | urlize }} {{ 'ftp://a.com' | urlize }} {{ '<http://a.com>' | urlize }} {{ 'a.b.c HTTP://A.COM x@y @a@b www.' | urlize }} {{ 'http://a.com' | safe | urlize }} {{ '&lt;http://a.com&gt;' | safe | urlize }} {{ 1 | urlize }}
{{ 'x' | urlize(extra_schemes=['bad scheme']) }}
{{ 'x' | urlize(rel='noopener', nofollow=true) }} {{ 'http://a.com' | urlize(10, true, '_top', 'x') }} {{ 'http://ä.com http://a.xn--p1ai www.x.y. (www.a.com).' | urlize }}
{{ {'b': [1, 2], 'a': 'x'} | pprint }} {{ [3, 'a', none] | pprint }} {{ 'x' | pprint }} {{ 1.5 | pprint }} {{ {} | pprint }} {{ (1,) | pprint }} {{ {'b': {'d': 1, 'c': 2}} | pprint }} {{ [{'b': 1, 'a': 2}] | pprint }} {{ true | pprint }}
{{ {2: 'a', 1: 'b'} | pprint }} {{ '<' | e | pprint }} {{ nothing | pprint }} {{ ({'b': 1, 'a': 2},) | pprint }} {{ range(3) | pprint }} {{ 'it\'s' | pprint }} {{ [[], {}, ()] | pprint }}
{{ 'abc' | center(9) }}|{{ 'abc' | center(8) }}|{{ 'abc' | center(2) }}|{{ '' | center(3) }}|{{ 'é世' | center(6) }}|{{ none | center(6) }}|{{ 'abc' | center }}|{{ 'a' | center(-1) }}|{{ [1] | center(width=6) }}|
{{ 1 | filesizeformat }} {{ 0 | filesizeformat }} {{ 999 | filesizeformat }} {{ 1000 | filesizeformat }} {{ 1023 | filesizeformat(true) }} {{ 1024 | filesizeformat(true) }} {{ '13000' | filesizeformat }} {{ 1e30 | filesizeformat }} {{ 1.5 | filesizeformat }} {{ -5 | filesizeformat }} {{ 1000000 | filesizeformat }} {{ 123456789 | filesizeformat }} {{ 1e27 | filesizeformat(binary=true) }} {{ true | filesizeformat }} {{ 999999 | filesizeformat }} {{ -3000.7 | filesizeformat }}
{{ 'x' | filesizeformat }}
{{ none | filesizeformat }}
{{ nothing | filesizeformat }}
{{ 'nan' | filesizeformat }}
{{ 'inf' | filesizeformat }}
{{ ' 2_000 ' | filesizeformat }}
{{ ['<', 'a'] | map('e') | sum(start='') }}
""".strip("\n").split("\n")
