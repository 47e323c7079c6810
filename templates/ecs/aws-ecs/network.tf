# The load balancer, and who may talk to whom: callers reach the load balancer,
# the load balancer reaches the tasks, and nobody else does. Between the two every
# port is open: a change of port then needs no change here, neither while old and
# new tasks serve together nor when the new ones fail and the old ones stay.

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-lb"
  description = "Callers of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-lb" }
}

resource "aws_security_group" "task" {
  name        = "${var.name}-task"
  description = "Tasks of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-task" }
}

resource "aws_security_group_rule" "callers" {
  security_group_id = aws_security_group.load_balancer.id
  type              = "ingress"
  description       = "HTTP from the allowed address ranges"
  protocol          = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_blocks       = var.allowed_cidr_blocks
}

resource "aws_security_group_rule" "load_balancer_to_task" {
  security_group_id        = aws_security_group.load_balancer.id
  type                     = "egress"
  description              = "Requests and health checks to the tasks"
  protocol                 = "tcp"
  from_port                = 0
  to_port                  = 65535
  source_security_group_id = aws_security_group.task.id
}

resource "aws_security_group_rule" "task_from_load_balancer" {
  security_group_id        = aws_security_group.task.id
  type                     = "ingress"
  description              = "Requests and health checks from the load balancer"
  protocol                 = "tcp"
  from_port                = 0
  to_port                  = 65535
  source_security_group_id = aws_security_group.load_balancer.id
}

resource "aws_security_group_rule" "task_egress" {
  security_group_id = aws_security_group.task.id
  type              = "egress"
  description       = "Image registry, logs and whatever the application calls"
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = ["0.0.0.0/0"]
}

resource "aws_lb" "this" {
  name               = var.name
  internal           = false
  load_balancer_type = "application"
  security_groups    = [aws_security_group.load_balancer.id]
  subnets            = var.public_subnet_ids

  depends_on = [aws_security_group_rule.callers]
}

resource "aws_lb_target_group" "this" {
  name        = var.name
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  # Only a default: ECS registers each task with the container's own port, so a
  # change of port does not replace the target group.
  port                 = 80
  deregistration_delay = 15

  health_check {
    path                = var.health_check_path
    port                = "traffic-port"
    protocol            = "HTTP"
    matcher             = "200-399"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}
