\set ECHO none
DROP TABLE source;
DROP FUNCTION gate, in_the_middle;
\set ECHO all
