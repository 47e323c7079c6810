# Subnets are given out only once traffic can flow through them, so that what
# is built on them does not start before there is a route.

output "vpc_id" {
  description = "Id of the network."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Ids of the public subnets, one per zone."
  value       = aws_subnet.public[*].id

  depends_on = [aws_route.internet, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "Ids of the private subnets, one per zone; empty without a NAT gateway."
  value       = aws_subnet.private[*].id

  depends_on = [aws_route.nat, aws_route_table_association.private]
}

output "cidr_block" {
  description = "Address range of the network."
  value       = aws_vpc.this.cidr_block
}

output "availability_zones" {
  description = "Zones the subnets lie in."
  value       = local.zones
}

output "region" {
  description = "Region everything was created in; feeds the modules that build on this network."
  value       = var.region
}
