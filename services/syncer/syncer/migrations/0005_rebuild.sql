-- Begun.
SELECT 1;
