-- The tables of the application whose routines are in this folder.
CREATE TABLE app_log (id bigint GENERATED ALWAYS AS IDENTITY, line text NOT NULL);
CREATE TABLE app_errors (code text, message text, at timestamp);
CREATE TABLE counters (kind text PRIMARY KEY, n bigint NOT NULL);
INSERT INTO counters VALUES ('order', 100), ('bill', 7);
CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
INSERT INTO accounts VALUES (1, 10), (2, 0);
CREATE TABLE orders (id bigint, amount bigint);
