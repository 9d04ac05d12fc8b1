CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad','ok, so','happy'); CREATE DOMAIN app.price AS numeric(10,2);
CREATE TABLE app.t (
  id bigserial, k int NOT NULL DEFAULT -5, b boolean NOT NULL DEFAULT true, i2 smallint DEFAULT 3, i8 bigint DEFAULT 9223372036854775807, o oid,
  f4 real DEFAULT 1.5, f8 double precision NOT NULL DEFAULT 0.1, n numeric(10,2) NOT NULL DEFAULT 12.34, nf numeric, n0 numeric(20), nd numeric(10,2) DEFAULT random(), mo money,
  tx text DEFAULT 'it is', vc varchar(20) DEFAULT 'abc'::varchar, bp char(4) NOT NULL DEFAULT 'abcd', nm name, ch "char",
  u uuid NOT NULL DEFAULT gen_random_uuid(), u2 uuid DEFAULT '76019d1a-ad2e-4b22-96e9-1a6d6543c818', x xml, tv tsvector, ip inet DEFAULT '::1', r int4range, pt point,
  mood app.mood DEFAULT 'sad', price app.price NOT NULL,
  by bytea DEFAULT 'x', j json DEFAULT '{"a": 1}', jb jsonb NOT NULL DEFAULT '{}',
  da date DEFAULT '2024-05-06', da2 date DEFAULT CURRENT_DATE, ti time DEFAULT '07:08:09.12', ti3 time(3), tz timetz, ts timestamp DEFAULT '2024-05-06 07:08:09.123456', ts3 timestamp(3) NOT NULL DEFAULT now(),
  tt timestamptz DEFAULT '2024-05-06 07:08:09.12+00', tt0 timestamptz(0) NOT NULL DEFAULT now(), tt3 timestamptz(3), iv interval DEFAULT '1 day', iv2 interval NOT NULL,
  b1 bit(1) DEFAULT B'1', b7 bit(7) DEFAULT B'1000001', vb bit varying, vb9 bit varying(9) DEFAULT B'101',
  ai int[], at text[], an numeric[], an2 numeric(10,2)[], ats timestamptz[], ad date[], au uuid[], aby bytea[], ab boolean[], aj jsonb[], avc varchar(9)[],
  id2 bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (k, id)
);
