/* sql/pg_background--1.5--1.6.sql */

-- complain if the script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION pg_background UPDATE" to load this file. \quit

-- A step on the way: pg_background--1.7--1.8.sql takes the catalog of any older release as it finds it.
