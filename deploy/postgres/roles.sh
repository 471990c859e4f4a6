# Who may do what: run once, when the database is made. Each role's password comes from the environment.
#
#   understudy         owns the database: migrates, and writes as the syncer
#   read_api           logs in, may SELECT what understudy_reader was granted, nothing else
#   understudy_reader  the group that migrations grant SELECT to
set -e

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  -v database="$POSTGRES_DB" -v owner_password="$UNDERSTUDY_PASSWORD" -v reader_password="$READ_API_PASSWORD" <<'SQL'
CREATE ROLE understudy_reader NOLOGIN;
CREATE ROLE understudy LOGIN PASSWORD :'owner_password';
CREATE ROLE read_api LOGIN PASSWORD :'reader_password' IN ROLE understudy_reader;

ALTER DATABASE :"database" OWNER TO understudy;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO understudy_reader;
ALTER ROLE read_api SET default_transaction_read_only = on;
SQL
