#!/bin/sh
# Runs once, when the image of PostgreSQL makes its data folder: the two roles, and the database of the first.
# Passwords come from the environment and reach psql as variables; nothing is written down.
set -eu

psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set=owner_password="$KAOHE_OWNER_PASSWORD" --set=app_password="$KAOHE_APP_PASSWORD" <<'SQL'
CREATE ROLE kaohe_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'owner_password';
CREATE ROLE kaohe_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'app_password';
CREATE DATABASE kaohe OWNER kaohe_owner;
REVOKE ALL ON DATABASE kaohe FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE kaohe TO kaohe_app;
SQL
