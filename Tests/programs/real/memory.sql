CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO t SELECT i, 'name ' || (i * 7919 % 20011), i / 3.0 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), sum(id), round(avg(value), 4) FROM t;
SELECT name, value FROM t WHERE name LIKE 'name 12%' ORDER BY name LIMIT 5;
SELECT substr(name, 1, 6) AS p, count(*) FROM t GROUP BY p ORDER BY p LIMIT 10;
DELETE FROM t WHERE id % 3 = 0;
SELECT count(*) FROM t;
PRAGMA integrity_check;
