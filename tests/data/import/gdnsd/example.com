$TTL 1h
@       SOA ns1 hostmaster ( 2026010100 2h
                30m 14d 5m )
@       NS  ns1
@       NS  ns2.example.net.
ns1     A   192.0.2.53
@       MX  10 mail
mail    A   192.0.2.25
www     300/60 DYNA geoip!www
near    60  DYNA geoip!near        ; by distance
pair    60  DYNA simplefo!pair
ring    60  DYNA multifo!ring
shares  60  DYNA weighted!shares
names   60  DYNC weighted!names
orders  60  DYNA metafo!orders
lost    60  DYNA geoip!nothing
us.www  60  DYNA geoip!www/us
