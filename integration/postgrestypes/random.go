package postgrestypes

import "slices"

// random has values that nobody thought of; the test prints the seed.
var random = family{
	name:  "random",
	setup: []string{"CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public", randomWord},
	columns: []column{
		{"int8", ""}, {"float4", tellFloat4}, {"float8", tellFloat8}, {"numeric", ""}, {"money", tellMoney}, {"date", tellDate}, {"timestamp", tellStamp}, {"timestamptz(4)", tellStamp}, {"time", tellTime}, {"timetz", tellTimeTZ}, {"interval", tellInterval},
		{"text", tellHex}, {"bytea", tellBytes}, {"varbit", ""}, {"text[]", tellNested}, {"text[][]", tellNested}, {"public.hstore", "public." + tellMap}, {"interval[]", elements(tellInterval)},
	},
	rows: slices.Repeat([][]string{{
		"(random() * 18446744073709549568 - 9223372036854774784)::int8",
		"((random() - 0.5) * 10 ^ (random() * 74 - 37))::float4",
		"(random() - 0.5) * 10 ^ (random() * 600 - 300)",
		"round((random() - 0.5)::numeric * 10 ^ (random() * 60 - 30)::numeric, (random() * 40)::int)",
		"((random() - 0.5)::numeric * 10 ^ (random() * 16)::numeric)::money",
		"date '2000-01-01' + (random() * 7000000 - 2451000)::int",
		"timestamp '2000-01-01' + make_interval(days => (random() * 7000000 - 2451000)::int, secs => random() * 86400)",
		"timestamptz '2000-01-01 00:00+00' + make_interval(days => (random() * 7000000 - 2451000)::int, secs => random() * 86400)",
		"time '00:00' + make_interval(secs => random() * 86399)",
		"((time '00:00' + make_interval(secs => random() * 86399))::text || to_char((random() * 28 - 14)::int, 'SG00') || ':' || lpad((random() * 59)::int::text, 2, '0'))::timetz",
		"make_interval(years => (random() * 20000 - 10000)::int, months => (random() * 20 - 10)::int, days => (random() * 20 - 10)::int, secs => (random() - 0.5) * 10 ^ (random() * 12))",
		"word()",
		"convert_to(word(), 'UTF8')",
		"(random() * 1e18)::int8::bit(60)::varbit",
		"ARRAY[word(), word(), NULL, word()]",
		"ARRAY[ARRAY[word(), NULL], ARRAY[word(), word()]]",
		"public.hstore(ARRAY[word(), word(), word()], ARRAY[word(), NULL, word()])",
		"ARRAY[make_interval(days => (random() * 20 - 10)::int, secs => random() * 100 - 50), NULL]",
	}}, 150),
}

// randomWord makes a text of what gives parsers trouble.
const randomWord = `CREATE FUNCTION word() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(string_agg((ARRAY['"', '\', '{', '}', ',', ' ', 'NULL', '=>', 'é', '😀', E'\n', '''', ';', '[1:2]=', 'x', chr(1 + (random() * 126)::int)])[1 + (random() * 15)::int], ''), '')
  FROM generate_series(1, (random() * 8)::int) $$`
