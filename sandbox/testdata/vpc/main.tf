# What release 3.14 of the public terraform-aws-modules/vpc module makes with
# its defaults, three zones and one NAT gateway, plus the default objects it can
# manage, written out as one root configuration.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 4.9"
    }
  }
}

variable "endpoint" {
  type        = string
  description = "URL of the sandbox."
}

variable "name" {
  type    = string
  default = "ecs-1"
}

variable "extra_tags" {
  type    = map(string)
  default = {}
}

variable "map_public_ip_on_launch" {
  type    = bool
  default = true
}

provider "aws" {
  region                      = "us-west-2"
  access_key                  = "sandbox"
  secret_key                  = "sandbox"
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    ec2 = var.endpoint
    iam = var.endpoint
    sts = var.endpoint
  }

  default_tags {
    tags = { environment = "test" }
  }
}

data "aws_availability_zones" "available" {
  state = "available"
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  azs             = slice(data.aws_availability_zones.available.names, 0, 3)
  cidr            = "10.0.0.0/16"
  public_subnets  = [for i, _ in local.azs : cidrsubnet(local.cidr, 8, i + 101)]
  private_subnets = [for i, _ in local.azs : cidrsubnet(local.cidr, 8, i + 1)]
  tags            = merge({ Owner = "berth" }, var.extra_tags)
}

resource "aws_vpc" "this" {
  cidr_block                       = local.cidr
  instance_tenancy                 = "default"
  enable_dns_hostnames             = true
  enable_dns_support               = true
  assign_generated_ipv6_cidr_block = false
  tags                             = merge({ Name = var.name }, local.tags)
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = merge({ Name = var.name }, local.tags)
}

resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  ingress {
    protocol  = "-1"
    self      = true
    from_port = 0
    to_port   = 0
  }

  egress {
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
    from_port   = 0
    to_port     = 0
  }

  tags = merge({ Name = "${var.name}-default" }, local.tags)
}

resource "aws_default_network_acl" "this" {
  default_network_acl_id = aws_vpc.this.default_network_acl_id
  # Subnets join the default ACL by themselves.
  subnet_ids = null

  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    from_port  = 0
    to_port    = 0
    cidr_block = "0.0.0.0/0"
  }

  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    from_port  = 0
    to_port    = 0
    cidr_block = "0.0.0.0/0"
  }

  tags = merge({ Name = "${var.name}-default" }, local.tags)

  lifecycle {
    ignore_changes = [subnet_ids]
  }
}

resource "aws_default_route_table" "default" {
  default_route_table_id = aws_vpc.this.default_route_table_id
  tags                   = merge({ Name = "${var.name}-default" }, local.tags)

  timeouts {
    create = "5m"
    update = "5m"
  }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = merge({ Name = "${var.name}-public" }, local.tags)
}

resource "aws_route" "public_internet_gateway" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id

  timeouts {
    create = "5m"
  }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  tags   = merge({ Name = "${var.name}-private" }, local.tags)
}

resource "aws_subnet" "public" {
  count = 3

  vpc_id                          = aws_vpc.this.id
  cidr_block                      = local.public_subnets[count.index]
  availability_zone               = local.azs[count.index]
  map_public_ip_on_launch         = var.map_public_ip_on_launch
  assign_ipv6_address_on_creation = false
  tags                            = merge({ Name = "${var.name}-public-${local.azs[count.index]}" }, local.tags)
}

resource "aws_subnet" "private" {
  count = 3

  vpc_id            = aws_vpc.this.id
  cidr_block        = local.private_subnets[count.index]
  availability_zone = local.azs[count.index]
  tags              = merge({ Name = "${var.name}-private-${local.azs[count.index]}" }, local.tags)
}

resource "aws_eip" "nat" {
  # 4.9 wants "vpc", later majors "domain"; both make the same address by default.
  tags = merge({ Name = "${var.name}-${local.azs[0]}" }, local.tags)
}

resource "aws_nat_gateway" "this" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[0].id
  tags          = merge({ Name = "${var.name}-${local.azs[0]}" }, local.tags)
  depends_on    = [aws_internet_gateway.this]
}

resource "aws_route" "private_nat_gateway" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this.id

  timeouts {
    create = "5m"
  }
}

resource "aws_route_table_association" "private" {
  count          = 3
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

resource "aws_route_table_association" "public" {
  count          = 3
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

# What an application beside such a network asks of EC2 and IAM.

resource "aws_security_group" "lb" {
  name_prefix = "${var.name}-lb-"
  description = "Reaches the load balancer"
  vpc_id      = aws_vpc.this.id
  tags        = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group_rule" "lb_http" {
  security_group_id = aws_security_group.lb.id
  type              = "ingress"
  protocol          = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_blocks       = ["0.0.0.0/0"]
  description       = "HTTP from anywhere"
}

resource "aws_security_group" "task" {
  name        = "${var.name}-task"
  description = "Lets only the load balancer reach the task"
  vpc_id      = aws_vpc.this.id

  ingress {
    protocol        = "tcp"
    from_port       = 8080
    to_port         = 8080
    security_groups = [aws_security_group.lb.id]
  }

  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_network_interface" "spare" {
  subnet_id       = aws_subnet.private[0].id
  security_groups = [aws_security_group.task.id]
  tags            = { Name = "${var.name}-spare" }
}

data "aws_network_interface" "spare" {
  id = aws_network_interface.spare.id
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  path               = "/berth/"
  description        = "Runs the task"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.task.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "inline" {
  name   = "read"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = "*" }] })
}

resource "aws_iam_policy" "extra" {
  name   = "${var.name}-extra"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = concat(["s3:ListBucket"], keys(var.extra_tags)), Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "extra" {
  role       = aws_iam_role.task.name
  policy_arn = aws_iam_policy.extra.arn
}

output "ids" {
  value = {
    vpc             = aws_vpc.this.id
    igw             = aws_internet_gateway.this.id
    subnet          = aws_subnet.public[0].id
    nat             = aws_nat_gateway.this.id
    eip             = aws_eip.nat.id
    private_table   = aws_route_table.private.id
    public_table    = aws_route_table.public.id
    security_group  = aws_security_group.task.id
    public_subnet   = aws_subnet.public[0].id
    private_address = data.aws_network_interface.spare.private_ip
    account         = data.aws_caller_identity.current.account_id
    region          = data.aws_region.current.name
    role            = aws_iam_role.task.name
    policy          = aws_iam_policy.extra.arn
  }
}
