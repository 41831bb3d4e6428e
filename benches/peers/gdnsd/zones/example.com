; The zone of all peers. www is steered: ../config.
$TTL 3600
@       IN SOA  ns1 hostmaster 1 7200 3600 1209600 300
@       IN NS   ns1
@       IN NS   ns2
ns1     IN A    192.0.2.51
ns2     IN A    192.0.2.52
static  30 IN A 192.0.2.1
; 30/30: no lower TTL while a state might change soon, so that all give the same.
www     30/30 DYNA geoip!www
